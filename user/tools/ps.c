/* ps: every process: pid, parent, state and name, as /proc/PID/status tells them. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

static void show(const char *pid)
{
	char path[64], line[256], name[32] = "?", state = '?';
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/status", pid);
	f = fopen(path, "r");
	if (!f)
		return; /* it has gone meanwhile */
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "Name: %31s", name);
		sscanf(line, "State: %c", &state);
		sscanf(line, "PPid: %d", &parent);
	}
	fclose(f);
	printf("%7s %7d %c %s\n", pid, parent, state, name);
}

int main(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (!proc) {
		perror("/proc");
		return 1;
	}
	printf("    PID    PPID S NAME\n");
	while ((entry = readdir(proc)) != NULL) {
		if (isdigit((unsigned char)entry->d_name[0]))
			show(entry->d_name);
	}
	closedir(proc);
	return 0;
}
