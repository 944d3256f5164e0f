/*
 * sweep: removes everything below /tmp and /dev/shm and all of System V's shared memory, whatever a
 * program that was cut short has left there.
 */
#define _GNU_SOURCE
#include <ftw.h>
#include <stdio.h>
#include <sys/shm.h>
#include <sys/stat.h>

static int visit(const char *path, const struct stat *st, int type, struct FTW *f)
{
	return f->level ? remove(path) : 0;
}

static void remove_segments(void)
{
	struct shm_info info;
	struct shmid_ds ds;
	int highest = shmctl(0, SHM_INFO, (struct shmid_ds *)&info);

	for (int i = 0; i <= highest; i++) {
		int id = shmctl(i, SHM_STAT, &ds);

		if (id >= 0)
			shmctl(id, IPC_RMID, NULL);
	}
}

int main(void)
{
	static const char *const places[] = {"/tmp", "/dev/shm"};

	for (int i = 0; i < 2; i++)
		if (nftw(places[i], visit, 16, FTW_DEPTH | FTW_PHYS)) {
			perror(places[i]);
			return 1;
		}
	remove_segments();
	return 0;
}
