/*
 * System V shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2).
 *
 * A segment is shared anonymous memory (shmem.c) with a number. It is found by that, or by a key that
 * programs have agreed upon, and lives until somebody removes it: processes come and go meanwhile.
 * IPC_RMID takes its key away; it ends when nobody has it attached any more.
 *
 *	key ──▶ id ──▶ struct shm_segment ──▶ struct shared_anon: the pages
 *	                        ▲
 *	struct vm_area ── object┘   nr_attached of them
 *
 * An id is the place in the table and how often the table has come round, so that the number of a
 * segment that is gone does not soon mean another one.
 *
 * LOCKING
 *	shm_mutex	the table and all fields of segments but the pages. Taken under mm->lock, when
 *			an area comes or goes; so user memory is not touched under it.
 */
#include "kernel/abi/errno.h"
#include "kernel/cpu/syscall.h"
#include "kernel/exec/cred.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/sysctl.h"
#include "kernel/mm/internal.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/time/ktime.h"

#define IPC_PRIVATE   0
#define IPC_CREAT     01000
#define IPC_EXCL      02000
#define SHM_HUGETLB   04000
#define SHM_NORESERVE 010000

#define IPC_RMID     0
#define IPC_SET      1
#define IPC_STAT     2
#define IPC_INFO     3
#define SHM_LOCK     11
#define SHM_UNLOCK   12
#define SHM_STAT     13
#define SHM_INFO     14
#define SHM_STAT_ANY 15

#define SHM_RDONLY 010000
#define SHM_RND    020000
#define SHM_REMAP  040000
#define SHM_EXEC   0100000

/* In a segment's mode, beside the nine bits of access. */
#define SHM_DEST   01000 /* removed; ends with the last area */
#define SHM_LOCKED 02000

#define MAY_READ  04
#define MAY_WRITE 02
#define MAY_EXEC  01

#define MAX_SEGMENTS 4096
#define ID_SHIFT     15 /* an id: the place, and above it the round */
#define MAX_ROUND    0x7fffu

/* What shmctl(2) reads and writes. */
struct shmid_ds {
	struct {
		s32 key;
		u32 uid, gid, cuid, cgid, mode;
		u16 seq, pad;
		u64 unused[2];
	} perm;
	u64 segsz;
	s64 atime, dtime, ctime;
	s32 cpid, lpid;
	u64 nattch;
	u64 unused[2];
};
_Static_assert(sizeof(struct shmid_ds) == 112, "shmid_ds is ABI");

struct shminfo {
	u64 shmmax, shmmin, shmmni, shmseg, shmall, unused[4];
};

struct shm_info {
	s32 used_ids;
	u64 tot, rss, swp, swap_attempts, swap_successes;
};

struct shm_segment {
	int id;                    /* [I] */
	struct shmid_ds ds;        /* [shm_mutex] but for segsz, which is [I] */
	struct shared_anon *pages; /* [I] */
};

static DEFINE_MUTEX(shm_mutex);

/* [shm_mutex] all of these */
static struct shm_segment *segments[MAX_SEGMENTS];
static unsigned next_place, rounds; /* where the search for a free place begins */
static int nr_segments;
static u64 nr_pages; /* of all segments */

static s64 shmmax = INT64_MAX - (1 << 24); /* bytes a segment */
static s64 shmall = INT64_MAX - (1 << 24); /* pages of all */
static int shmmni = MAX_SEGMENTS;
SYSCTL(shmmax, "sys/kernel/shmmax", shmmax, 0, INT64_MAX);
SYSCTL(shmall, "sys/kernel/shmall", shmall, 0, INT64_MAX);
SYSCTL(shmmni, "sys/kernel/shmmni", shmmni, 0, MAX_SEGMENTS);

static s64 now(void)
{
	return (s64)(ktime_get_real() / NSEC_PER_SEC);
}

/* ---- finding segments; shm_mutex held ---- */

static unsigned place_of(int id)
{
	return (unsigned)id & ((1u << ID_SHIFT) - 1);
}

static struct shm_segment *find_segment(int id)
{
	struct shm_segment *s;

	if (id < 0 || place_of(id) >= MAX_SEGMENTS)
		return NULL;
	s = segments[place_of(id)];
	return s && s->id == id ? s : NULL;
}

static struct shm_segment *find_key(s32 key)
{
	for (int i = 0; i < MAX_SEGMENTS; i++)
		if (segments[i] && segments[i]->ds.perm.key == key)
			return segments[i];
	return NULL;
}

static bool may_access(const struct shm_segment *s, u32 want)
{
	u32 euid = current->signal->euid, mode = s->ds.perm.mode;

	if (euid == s->ds.perm.uid || euid == s->ds.perm.cuid)
		mode >>= 6;
	else if (in_group(s->ds.perm.gid) || in_group(s->ds.perm.cgid))
		mode >>= 3;
	return !(want & ~mode & 7) || capable(CAP_IPC_OWNER);
}

static bool is_owner(const struct shm_segment *s)
{
	u32 euid = current->signal->euid;

	return euid == s->ds.perm.uid || euid == s->ds.perm.cuid;
}

/* ---- areas ---- */

/* Nobody refers to it any more. */
static void free_segment(struct shm_segment *s)
{
	segments[place_of(s->id)] = NULL;
	nr_segments--;
	nr_pages -= PAGE_ALIGN(s->ds.segsz) >> PAGE_SHIFT;
	shared_anon_put(s->pages);
	kfree(s);
}

static void attach(struct shm_segment *s)
{
	s->ds.nattch++;
	s->ds.atime = now();
	s->ds.lpid = current->tgid;
}

static void shm_open(struct vm_area *vma)
{
	mutex_lock(&shm_mutex);
	attach(vma->object);
	mutex_unlock(&shm_mutex);
}

static void shm_close(struct vm_area *vma)
{
	struct shm_segment *s = vma->object;

	mutex_lock(&shm_mutex);
	s->ds.dtime = now();
	s->ds.lpid = current->tgid;
	if (!--s->ds.nattch && (s->ds.perm.mode & SHM_DEST))
		free_segment(s);
	mutex_unlock(&shm_mutex);
}

static struct page *shm_fault(struct vm_area *vma, u64 off)
{
	const struct shm_segment *s = vma->object;

	return shared_anon_page(s->pages, off);
}

static bool shm_present(struct vm_area *vma, u64 off)
{
	const struct shm_segment *s = vma->object;

	return shared_anon_has(s->pages, off);
}

static const char *shm_name(struct vm_area *vma, char *buf, size_t size)
{
	const struct shm_segment *s = vma->object;

	scnprintf(buf, size, "/SYSV%08x (deleted)", (u32)READ_ONCE(s->ds.perm.key));
	return buf;
}

static int shm_stays_readonly(struct vm_area *vma, u32 flags)
{
	return flags & VM_WRITE ? -EACCES : 0;
}

#define SHM_VM_OPS \
	.fault = shm_fault, .present = shm_present, .open = shm_open, .close = shm_close, \
	.name = shm_name
static const struct vm_ops shm_ops = {SHM_VM_OPS};
static const struct vm_ops shm_readonly_ops = {SHM_VM_OPS, .may_protect = shm_stays_readonly};

/* ---- shmget ---- */

/* Puts @s into a free place. 0 or -ENOSPC. shm_mutex held. */
static int place_segment(struct shm_segment *s)
{
	if (nr_segments >= shmmni)
		return -ENOSPC;
	for (unsigned n = 0; n < MAX_SEGMENTS; n++) {
		unsigned i = next_place;

		next_place = (i + 1) % MAX_SEGMENTS;
		if (!next_place)
			rounds = (rounds + 1) & MAX_ROUND;
		if (segments[i])
			continue;
		s->ds.perm.seq = (u16)rounds;
		s->id = (int)(rounds << ID_SHIFT | i);
		segments[i] = s;
		nr_segments++;
		return 0;
	}
	return -ENOSPC;
}

/* A new segment: its id, -EINVAL, -ENOSPC, -ENOMEM. shm_mutex held. */
static int new_segment(s32 key, u64 size, int flags)
{
	const struct signal_struct *me = current->signal;
	u64 pages = PAGE_ALIGN(size) >> PAGE_SHIFT;
	struct shm_segment *s;
	int err = -ENOMEM;

	if (!size || size > (u64)shmmax || (flags & SHM_HUGETLB))
		return -EINVAL;
	if (nr_pages + pages > (u64)shmall)
		return -ENOSPC;
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s || size > USER_TOP)
		goto out;
	s->pages =
		shared_anon_create(pages << PAGE_SHIFT, flags & SHM_NORESERVE ? VM_NORESERVE : 0);
	if (IS_ERR(s->pages))
		goto out;
	s->ds = (struct shmid_ds){
		.perm = {.key = key,
			 .uid = me->euid,
			 .gid = me->egid,
			 .cuid = me->euid,
			 .cgid = me->egid,
			 .mode = (u32)flags & 0777},
		.segsz = size,
		.ctime = now(),
		.cpid = current->tgid,
	};
	err = place_segment(s);
	if (!err) {
		nr_pages += pages;
		return s->id;
	}
	shared_anon_put(s->pages);
out:
	kfree(s);
	return err;
}

static int get_segment(s32 key, u64 size, int flags)
{
	struct shm_segment *s = key == IPC_PRIVATE ? NULL : find_key(key);
	u32 want = (u32)(flags >> 6 | flags >> 3 | flags) & 7;

	if (!s)
		return key == IPC_PRIVATE || (flags & IPC_CREAT) ? new_segment(key, size, flags)
								 : -ENOENT;
	if ((flags & IPC_CREAT) && (flags & IPC_EXCL))
		return -EEXIST;
	if (size > s->ds.segsz)
		return -EINVAL;
	return may_access(s, want) ? s->id : -EACCES;
}

SYSCALL_DEFINE3(shmget, s32, key, u64, size, int, flags)
{
	int id;

	mutex_lock(&shm_mutex);
	id = get_segment(key, size, flags);
	mutex_unlock(&shm_mutex);
	return id;
}

/* ---- shmat, shmdt ---- */

/* Where it is to go: *flags as mmap(2) has them. 0 or -EINVAL. */
static int attach_place(u64 *addr, int shmflags, int *flags)
{
	*flags = MAP_SHARED;
	if (!*addr)
		return shmflags & SHM_REMAP ? -EINVAL : 0;
	if (*addr & ~PAGE_MASK) {
		if (!(shmflags & SHM_RND))
			return -EINVAL;
		*addr &= PAGE_MASK;
		if (!*addr && (shmflags & SHM_REMAP))
			return -EINVAL;
	}
	*flags |= shmflags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	return 0;
}

SYSCALL_DEFINE3(shmat, int, id, u64, addr, int, shmflags)
{
	int prot = PROT_READ | (shmflags & SHM_RDONLY ? 0 : PROT_WRITE), flags, err;
	u32 want = MAY_READ | (shmflags & SHM_RDONLY ? 0 : MAY_WRITE);
	struct shm_segment *s;
	long ret;

	err = id < 0 ? -EINVAL : attach_place(&addr, shmflags, &flags);
	if (err)
		return err;
	if (shmflags & SHM_EXEC) {
		prot |= PROT_EXEC;
		want |= MAY_EXEC;
	}
	mutex_lock(&shm_mutex);
	s = find_segment(id);
	if (!s)
		err = -EINVAL;
	else if (!may_access(s, want))
		err = -EACCES;
	else
		attach(s);
	mutex_unlock(&shm_mutex);
	if (err)
		return err;
	ret = do_mmap(current->mm, addr, s->ds.segsz, prot, flags,
		      shmflags & SHM_RDONLY ? &shm_readonly_ops : &shm_ops, s, 0);
	return ret == -EEXIST ? -EINVAL : ret;
}

static bool is_shm(const struct vm_area *vma)
{
	return vma->ops == &shm_ops || vma->ops == &shm_readonly_ops;
}

/* Unmaps what is left of the segment that was attached at @addr: its areas may be cut by now. */
static int detach(struct mm *mm, u64 addr)
{
	struct vm_area *vma = find_vma_above(mm, addr), *next;
	struct shm_segment *s;
	u64 end;
	int err;

	while (vma && !(is_shm(vma) && vma->start - vma->offset == addr))
		vma = vma_next(vma);
	if (!vma)
		return -EINVAL;
	s = vma->object;
	end = addr + PAGE_ALIGN(s->ds.segsz);
	for (; vma && vma->start < end; vma = next) {
		next = vma_next(vma);
		if (!is_shm(vma) || vma->object != s || vma->start - vma->offset != addr)
			continue;
		err = munmap_locked(mm, vma->start, vma->end);
		if (err)
			return err;
	}
	return 0;
}

SYSCALL_DEFINE1(shmdt, u64, addr)
{
	struct mm *mm = current->mm;
	int err;

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	mutex_lock(&mm->lock);
	err = detach(mm, addr);
	mutex_unlock(&mm->lock);
	return err;
}

/* ---- shmctl ---- */

/* The highest place in use. shm_mutex held. */
static int highest_place(void)
{
	for (int i = MAX_SEGMENTS - 1; i > 0; i--)
		if (segments[i])
			return i;
	return 0;
}

static long shm_limits(struct shminfo __user *uinfo)
{
	struct shminfo info = {.shmmax = (u64)shmmax,
			       .shmmin = 1,
			       .shmmni = (u64)shmmni,
			       .shmseg = (u64)shmmni,
			       .shmall = (u64)shmall};
	int highest;

	mutex_lock(&shm_mutex);
	highest = highest_place();
	mutex_unlock(&shm_mutex);
	return copy_to_user(uinfo, &info, sizeof(info)) ? -EFAULT : highest;
}

static long shm_usage(struct shm_info __user *uinfo)
{
	struct shm_info info = {0};
	int highest;

	mutex_lock(&shm_mutex);
	info.used_ids = nr_segments;
	info.tot = nr_pages;
	for (int i = 0; i < MAX_SEGMENTS; i++)
		info.rss += segments[i] ? shared_anon_present(segments[i]->pages) : 0;
	highest = highest_place();
	mutex_unlock(&shm_mutex);
	return copy_to_user(uinfo, &info, sizeof(info)) ? -EFAULT : highest;
}

/* IPC_STAT by id; SHM_STAT and SHM_STAT_ANY by place, and the id is the answer. */
static long shm_stat(int id, int cmd, struct shmid_ds __user *uds)
{
	struct shmid_ds ds = {0};
	struct shm_segment *s;
	int ret = 0;

	mutex_lock(&shm_mutex);
	s = cmd == IPC_STAT ? find_segment(id) : id < MAX_SEGMENTS ? segments[id] : NULL;
	if (!s) {
		ret = -EINVAL;
	} else if (cmd != SHM_STAT_ANY && !may_access(s, MAY_READ)) {
		ret = -EACCES;
	} else {
		ds = s->ds;
		ret = cmd == IPC_STAT ? 0 : s->id;
	}
	mutex_unlock(&shm_mutex);
	if (ret < 0)
		return ret;
	return copy_to_user(uds, &ds, sizeof(ds)) ? -EFAULT : ret;
}

static void change_segment(struct shm_segment *s, const struct shmid_ds *ds)
{
	s->ds.perm.uid = ds->perm.uid;
	s->ds.perm.gid = ds->perm.gid;
	s->ds.perm.mode = (s->ds.perm.mode & ~0777u) | (ds->perm.mode & 0777);
	s->ds.ctime = now();
}

static void remove_segment(struct shm_segment *s)
{
	if (!s->ds.nattch) {
		free_segment(s);
		return;
	}
	s->ds.perm.mode |= SHM_DEST;
	s->ds.perm.key = IPC_PRIVATE;
}

/* Pages are never taken away, so the locked ones only say that they are. */
static int lock_segment(struct shm_segment *s, bool lock)
{
	if (!capable(CAP_IPC_LOCK) &&
	    (!is_owner(s) || (lock && !current->signal->rlim[RLIMIT_MEMLOCK].rlim_cur)))
		return -EPERM;
	s->ds.perm.mode = (s->ds.perm.mode & ~(u32)SHM_LOCKED) | (lock ? SHM_LOCKED : 0);
	return 0;
}

/* IPC_SET, IPC_RMID, SHM_LOCK, SHM_UNLOCK. */
static long shm_change(int id, int cmd, const struct shmid_ds __user *uds)
{
	struct shm_segment *s;
	struct shmid_ds ds;
	int err = 0;

	if (cmd == IPC_SET && copy_from_user(&ds, uds, sizeof(ds)))
		return -EFAULT;
	mutex_lock(&shm_mutex);
	s = find_segment(id);
	if (!s)
		err = -EINVAL;
	else if (cmd == SHM_LOCK || cmd == SHM_UNLOCK)
		err = lock_segment(s, cmd == SHM_LOCK);
	else if (!is_owner(s) && !capable(CAP_SYS_ADMIN))
		err = -EPERM;
	else if (cmd == IPC_SET)
		change_segment(s, &ds);
	else
		remove_segment(s);
	mutex_unlock(&shm_mutex);
	return err;
}

SYSCALL_DEFINE3(shmctl, int, id, int, cmd, void __user *, ubuf)
{
	if (id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
		return shm_limits(ubuf);
	case SHM_INFO:
		return shm_usage(ubuf);
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY:
		return shm_stat(id, cmd, ubuf);
	case IPC_SET:
	case IPC_RMID:
	case SHM_LOCK:
	case SHM_UNLOCK:
		return shm_change(id, cmd, ubuf);
	default:
		return -EINVAL;
	}
}

/* ---- /proc/sysvipc/shm ---- */

static void shm_show(struct seq *seq)
{
	seq_printf(seq, "%10s %10s %5s %21s %5s %5s %6s %5s %5s %5s %5s %10s %10s %10s %21s %21s\n",
		   "key", "shmid", "perms", "size", "cpid", "lpid", "nattch", "uid", "gid", "cuid",
		   "cgid", "atime", "dtime", "ctime", "rss", "swap");
	mutex_lock(&shm_mutex);
	for (int i = 0; i < MAX_SEGMENTS; i++) {
		const struct shm_segment *s = segments[i];
		const struct shmid_ds *d = s ? &s->ds : NULL;

		if (!s)
			continue;
		seq_printf(seq, "%10d %10d  %4o %21lu %5d %5d  %5lu %5u %5u %5u %5u ", d->perm.key,
			   s->id, d->perm.mode, d->segsz, d->cpid, d->lpid, d->nattch, d->perm.uid,
			   d->perm.gid, d->perm.cuid, d->perm.cgid);
		seq_printf(seq, "%10ld %10ld %10ld %21lu %21d\n", d->atime, d->dtime, d->ctime,
			   shared_anon_present(s->pages) * PAGE_SIZE, 0);
	}
	mutex_unlock(&shm_mutex);
}
PROC_ENTRY(sysvipc_shm, "sysvipc/shm", shm_show);
