/* System V shared memory: shmget, shmat, shmdt, shmctl, and what /proc shows of it. */
#include "tap.h"

#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define PAGE 4096
#ifndef SHM_DEST
#define SHM_DEST 01000
#endif

static struct shmid_ds stat_of(int id)
{
	struct shmid_ds ds = {0};

	must(shmctl(id, IPC_STAT, &ds));
	return ds;
}

static bool failed(void *p, int err)
{
	return p == (void *)-1 && errno == err;
}

static void test_life(void)
{
	int id = must(shmget(IPC_PRIVATE, 3 * PAGE - 100, IPC_CREAT | 0640));
	struct shmid_ds ds = stat_of(id);
	time_t now = time(NULL);
	volatile char *p, *q;
	int status = -1;
	pid_t pid;

	ok(ds.shm_segsz == 3 * PAGE - 100 && ds.shm_nattch == 0, "a new segment");
	ok((ds.shm_perm.mode & 07777) == 0640 && ds.shm_perm.uid == geteuid() &&
		   ds.shm_perm.cgid == getegid(),
	   "its mode and owner");
	ok(ds.shm_cpid == getpid() && ds.shm_lpid == 0 && !ds.shm_atime && !ds.shm_dtime &&
		   ds.shm_ctime >= now - 5 && ds.shm_ctime <= now + 5,
	   "its history");
	p = shmat(id, NULL, 0);
	q = shmat(id, NULL, 0);
	ok(p != (void *)-1 && q != (void *)-1 && p != q, "attached twice");
	ok(p[0] == 0 && p[3 * PAGE - 1] == 0, "zeroes, to the end of the page");
	p[PAGE] = 7;
	ok(q[PAGE] == 7, "one memory at two places");
	ds = stat_of(id);
	ok(ds.shm_nattch == 2 && ds.shm_lpid == getpid() && ds.shm_atime >= now - 5,
	   "IPC_STAT counts");
	pid = must(fork());
	if (!pid) {
		q[0] = 9;
		_exit(stat_of(id).shm_nattch == 4 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	ok(status == 0 && p[0] == 9, "a child has it attached, too");
	ds = stat_of(id);
	ok(ds.shm_nattch == 2 && ds.shm_lpid == pid, "until it ends");
	ok(shmdt((void *)q) == 0 && stat_of(id).shm_nattch == 1, "shmdt");
	fails(shmdt((void *)q), EINVAL);
	fails(shmdt((char *)p + 1), EINVAL);
	fails(shmdt((char *)p + PAGE), EINVAL);
	ok(shmctl(id, IPC_RMID, NULL) == 0, "removed while it is attached");
	ds = stat_of(id);
	ok((ds.shm_perm.mode & SHM_DEST) && ds.shm_perm.__ipc_perm_key == IPC_PRIVATE &&
		   p[PAGE] == 7,
	   "it goes on, and says so");
	q = shmat(id, NULL, 0);
	ok(q != (void *)-1 && q[PAGE] == 7, "and can be attached by its id");
	shmdt((void *)q);
	ok(shmdt((void *)p) == 0, "the last one");
	fails(shmctl(id, IPC_STAT, &ds), EINVAL);
	ok(failed(shmat(id, NULL, 0), EINVAL), "is the end of it");
}

static void test_keys(void)
{
	key_t key = 0x50000000 | (getpid() & 0xffffff);
	int id, other;

	fails(shmget(key, PAGE, 0), ENOENT);
	id = must(shmget(key, PAGE, IPC_CREAT | IPC_EXCL | 0600));
	ok(shmget(key, PAGE, 0600) == id && shmget(key, 0, 0) == id, "found by its key");
	ok(shmget(key, PAGE, IPC_CREAT | 0600) == id, "IPC_CREAT finds it, too");
	fails(shmget(key, PAGE, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	fails(shmget(key, 2 * PAGE, 0), EINVAL);
	fails(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
	must(shmctl(id, IPC_RMID, NULL));
	fails(shmget(key, PAGE, 0), ENOENT);
	other = must(shmget(key, PAGE, IPC_CREAT | 0600));
	ok(other != id, "the next one has another id");
	fails(shmctl(id, IPC_RMID, NULL), EINVAL);
	must(shmctl(other, IPC_RMID, NULL));
	fails(shmctl(-1, IPC_RMID, NULL), EINVAL);
}

static void test_places(void)
{
	int id = must(shmget(IPC_PRIVATE, 4 * PAGE, 0600));
	char *room = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *p;

	ok(failed(shmat(id, room, 0), EINVAL), "where something is already");
	ok(shmat(id, room, SHM_REMAP) == room, "SHM_REMAP takes the place");
	p = room + 8 * PAGE;
	munmap(p, 4 * PAGE);
	ok(failed(shmat(id, p + 5, 0), EINVAL), "not on a page");
	ok(shmat(id, p + 5, SHM_RND) == p, "SHM_RND");
	ok(failed(shmat(id, NULL, SHM_REMAP), EINVAL), "SHM_REMAP without a place");
	must(munmap(p + PAGE, PAGE));
	ok(stat_of(id).shm_nattch == 3, "a hole makes two of one");
	ok(shmdt(p) == 0 && stat_of(id).shm_nattch == 1, "which shmdt takes together");
	ok(shmdt(room) == 0 && stat_of(id).shm_nattch == 0, "and the other");
	p = shmat(id, NULL, SHM_RDONLY);
	ok(p != (char *)-1 && p[0] == 0, "SHM_RDONLY");
	fails(mprotect(p, PAGE, PROT_READ | PROT_WRITE), EACCES);
	must(shmdt(p));
	p = shmat(id, NULL, 0);
	ok(mprotect(p, PAGE, PROT_READ) == 0 && mprotect(p, PAGE, PROT_READ | PROT_WRITE) == 0,
	   "another may change its rights");
	must(shmctl(id, IPC_RMID, NULL));
	must(shmdt(p));
	munmap(room, 16 * PAGE);
}

/* What somebody else may do: the errors of what a child without rights tries. */
static void test_rights(void)
{
	int closed = must(shmget(IPC_PRIVATE, PAGE, 0600)),
	    readable = must(shmget(IPC_PRIVATE, PAGE, 0644));
	struct shmid_ds ds = stat_of(readable);
	int status = -1;
	pid_t pid = must(fork());

	if (!pid) {
		int bad = 0;

		if (geteuid())
			_exit(0); /* we are nobody already, and cannot be another */
		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
			_exit(99);
		bad |= !failed(shmat(closed, NULL, SHM_RDONLY), EACCES) ? 1 : 0;
		bad |= !failed(shmat(readable, NULL, 0), EACCES) ? 2 : 0;
		bad |= shmat(readable, NULL, SHM_RDONLY) == (void *)-1 ? 4 : 0;
		bad |= shmctl(closed, IPC_STAT, &ds) != -1 || errno != EACCES ? 8 : 0;
		bad |= shmctl(readable, IPC_RMID, NULL) != -1 || errno != EPERM ? 16 : 0;
		bad |= shmctl(readable, IPC_SET, &ds) != -1 || errno != EPERM ? 32 : 0;
		bad |= shmctl(readable, SHM_LOCK, NULL) != -1 || errno != EPERM ? 64 : 0;
		_exit(bad);
	}
	waitpid(pid, &status, 0);
	if (!ok(status == 0, "what a stranger may do"))
		printf("# %x\n", status);
	ds.shm_perm.mode = 0660;
	ok(shmctl(readable, IPC_SET, &ds) == 0 && (stat_of(readable).shm_perm.mode & 07777) == 0660,
	   "IPC_SET");
	fails(shmctl(readable, IPC_SET, (void *)8), EFAULT);
	fails(shmctl(readable, IPC_STAT, (void *)8), EFAULT);
	fails(shmctl(readable, 99, &ds), EINVAL);
	ok(shmctl(readable, SHM_LOCK, NULL) == 0 && shmctl(readable, SHM_UNLOCK, NULL) == 0,
	   "SHM_LOCK");
	must(shmctl(closed, IPC_RMID, NULL));
	must(shmctl(readable, IPC_RMID, NULL));
}

static void test_info(void)
{
	int id = must(shmget(IPC_PRIVATE, 2 * PAGE, 0604)), top, found = -1;
	struct shm_info info;
	struct shminfo limits;
	struct shmid_ds ds;
	char line[512];
	FILE *f;
	char *p = shmat(id, NULL, 0);

	p[0] = 1;
	top = shmctl(0, SHM_INFO, (struct shmid_ds *)&info);
	ok(top >= 0 && info.used_ids >= 1 && info.shm_tot >= 2 && info.shm_rss >= 1, "SHM_INFO");
	ok(shmctl(0, IPC_INFO, (struct shmid_ds *)&limits) == top && limits.shmmin == 1 &&
		   limits.shmmni >= 4096,
	   "IPC_INFO");
	for (int i = 0; i <= top; i++)
		if (shmctl(i, SHM_STAT, &ds) == id)
			found = i;
	ok(found >= 0 && ds.shm_segsz, "SHM_STAT goes through the table");
	f = fopen("/proc/sysvipc/shm", "r");
	ok(f && fgets(line, sizeof(line), f) && !strncmp(line, "       key      shmid perms", 27),
	   "/proc/sysvipc/shm");
	for (found = 0; f && fgets(line, sizeof(line), f);) {
		unsigned long size, nattch;
		int key, shmid, cpid, lpid;
		unsigned mode;

		if (sscanf(line, "%d %d %o %lu %d %d %lu", &key, &shmid, &mode, &size, &cpid, &lpid,
			   &nattch) == 7 &&
		    shmid == id)
			found = key == 0 && mode == 0604 && size == 2 * PAGE && nattch == 1 &&
				cpid == getpid();
	}
	ok(found, "has a line for it");
	if (f)
		fclose(f);
	f = fopen("/proc/self/maps", "r");
	for (found = 0; f && fgets(line, sizeof(line), f);)
		found |= strstr(line, "/SYSV00000000 (deleted)") && strstr(line, "rw-s");
	ok(found, "and /proc/PID/maps a name");
	if (f)
		fclose(f);
	must(shmdt(p));
	must(shmctl(id, IPC_RMID, NULL));
}

/* A new program has nothing attached. */
static void test_exec(char *self)
{
	int id = must(shmget(IPC_PRIVATE, PAGE, 0600)), status = -1;
	char number[16];
	pid_t pid;

	snprintf(number, sizeof(number), "%d", id);
	shmat(id, NULL, 0);
	pid = must(fork());
	if (!pid) {
		execl(self, self, number, NULL);
		_exit(99);
	}
	waitpid(pid, &status, 0);
	ok(status == 0, "execve detaches");
	must(shmctl(id, IPC_RMID, NULL));
}

int main(int argc, char **argv)
{
	if (argc == 2)
		return stat_of(atoi(argv[1])).shm_nattch == 1 ? 0 : 1;
	test_life();
	test_keys();
	test_places();
	test_rights();
	test_info();
	test_exec(argv[0]);
	return tap_done();
}
