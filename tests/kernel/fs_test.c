/*
 * Files from inside the kernel: the I/O cursor, the growing text, a tmpfs file against a model in
 * memory, the name cache under renames, mounting and unmounting. The runner checks that nothing
 * stays behind.
 */
#include "fs/internal.h"
#include "kernel/lib/ktest.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/vmalloc.h"

/* ---- iov ---- */

KTEST(iov_pieces)
{
	char a[3] = "", b[5] = "", out[9] = "";
	struct iovec v[] = {{NULL, 0}, {a, 3}, {NULL, 0}, {NULL, 0}, {b, 5}, {NULL, 0}};
	struct iov_iter it = {.iov = v, .nr = ARRAY_SIZE(v), .count = 8, .kernel = true};

	EXPECT(copy_to_iter("abcdefgh", 2, &it) == 2);
	EXPECT(copy_to_iter("cdefgh", 6, &it) == 6);
	EXPECT(it.count == 0 && copy_to_iter("x", 1, &it) == 0);
	EXPECT(!memcmp(a, "abc", 3) && !memcmp(b, "defgh", 5));
	iov_iter_revert(&it, 8);
	EXPECT(it.count == 8 && copy_from_iter(out, 8, &it) == 8);
	EXPECT(!memcmp(out, "abcdefgh", 8));
	iov_iter_revert(&it, 6);
	iov_iter_advance(&it, 1);
	EXPECT(it.count == 5 && iov_iter_zero(9, &it) == 5);
	EXPECT(!memcmp(a, "abc", 3) && !memcmp(b, (char[5]){0}, 5));
}

/* Any walk of moves and reverts keeps the cursor where a plain offset says it is. */
KTEST(iov_model)
{
	static u8 bytes[300], got[300];
	u64 seed = 1;

	for (int round = 0; round < 500; round++) {
		struct iovec v[12];
		struct iov_iter it = {.iov = v, .kernel = true};
		size_t total = 0, at = 0;

		for (it.nr = 0; it.nr < ARRAY_SIZE(v); it.nr++) {
			size_t len = ktest_rand(&seed) % 25;

			v[it.nr] = (struct iovec){bytes + total, len};
			total += len;
		}
		it.count = total;
		for (size_t i = 0; i < total; i++)
			bytes[i] = (u8)ktest_rand(&seed);
		for (int step = 0; step < 40; step++) {
			size_t n = ktest_rand(&seed) % 60;

			if (ktest_rand(&seed) & 1) {
				n = min(n, at);
				iov_iter_revert(&it, n);
				at -= n;
			} else {
				n = copy_from_iter(got, n, &it);
				EXPECT(!memcmp(got, bytes + at, n));
				at += n;
			}
			EXPECT(it.count == total - at);
		}
	}
}

/* ---- seq ---- */

KTEST(seq_grows)
{
	struct seq s = {0};
	bool same = true;

	for (int i = 0; i < 5000; i++)
		seq_printf(&s, "%07d\n", i);
	EXPECT(!s.err && s.len == 40000);
	for (int i = 0; i < 5000 && same; i++) {
		char want[9];

		snprintf(want, sizeof(want), "%07d\n", i);
		same = !memcmp(s.buf + 8 * i, want, 8);
	}
	EXPECT(same);
	seq_printf(&s, "%*s", 3000, "long");
	EXPECT(s.len == 43000 && s.buf[s.len - 1] == 'g');
	seq_free(&s);
	EXPECT(!s.buf && !s.len);
}

/* ---- a file against a model ---- */

#define MODEL_SIZE (80 * PAGE_SIZE)

KTEST(tmpfs_model)
{
	struct file *f = filp_open("/tmp/ktest", O_RDWR | O_CREAT | O_EXCL, 0600);
	char *model = kvmalloc(MODEL_SIZE, GFP_KERNEL), *buf = kmalloc(9000, GFP_KERNEL);
	u64 seed = 7, size = 0;
	bool good = true;

	EXPECT(!IS_ERR(f) && model && buf);
	memset(model, 0, MODEL_SIZE);
	for (int i = 0; i < 3000 && good; i++) {
		u64 pos = ktest_rand(&seed) % (MODEL_SIZE - 9000), n = ktest_rand(&seed) % 9000;

		switch (ktest_rand(&seed) % 5) {
		case 0: /* shorter or longer */
			good = do_truncate(f->f_inode, (loff_t)pos) == 0;
			if (pos < size)
				memset(model + pos, 0, size - pos);
			size = pos;
			break;
		case 1: /* FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE */
			good = f->f_op->fallocate(f, 3, (loff_t)pos, (loff_t)n + 1) == 0;
			memset(model + pos, 0, n + 1);
			break;
		case 2:
		case 3:
			for (u64 k = 0; k < n; k++)
				buf[k] = (char)ktest_rand(&seed);
			good = kernel_write(f, buf, n, (loff_t)pos) == (ssize_t)n;
			memcpy(model + pos, buf, n);
			if (n)
				size = max(size, pos + n);
			break;
		default: {
			u64 want = pos < size ? min(n, size - pos) : 0;

			good = kernel_read(f, buf, n, (loff_t)pos) == (ssize_t)want &&
			       !memcmp(buf, model + pos, want);
		}
		}
		good = good && (u64)f->f_inode->i_size == size;
	}
	fput(f);
	kvfree(model);
	kfree(buf);
	EXPECT(!do_unlinkat(AT_FDCWD, "/tmp/ktest"));
	EXPECT(good);
}

/* Pages terabytes apart, so that the tree is as high as it can get. */
KTEST(tmpfs_sparse)
{
	struct file *f = filp_open("/tmp/ktest", O_RDWR | O_CREAT | O_EXCL, 0600);
	bool good = true;
	char c;

	EXPECT(!IS_ERR(f));
	for (int shift = 0; shift < 62 && good; shift++)
		good = kernel_write(f, &(char){(char)shift}, 1, 1l << shift) == 1;
	for (int shift = 0; shift < 62 && good; shift++)
		good = kernel_read(f, &c, 1, 1l << shift) == 1 && c == shift;
	good = good && f->f_op->llseek(f, (1l << 50) + 4096, SEEK_DATA) == 1l << 51;
	good = good && do_truncate(f->f_inode, (1l << 30) + 1) == 0;
	good = good && kernel_read(f, &c, 1, 1l << 30) == 1 && c == 30;
	good = good && f->f_op->llseek(f, (1l << 30) - 4096, SEEK_DATA) == 1l << 30;
	fput(f);
	EXPECT(!do_unlinkat(AT_FDCWD, "/tmp/ktest"));
	EXPECT(good);
}

/* ---- names ---- */

KTEST(path_walk)
{
	char *buf = kmalloc(PATH_MAX, GFP_KERNEL);
	struct path p;
	bool good;

	EXPECT(buf);
	EXPECT(!do_mkdirat(AT_FDCWD, "/tmp/k", 0755) && !do_mkdirat(AT_FDCWD, "/tmp/k/d", 0755));
	EXPECT(!do_symlinkat("d/../d", AT_FDCWD, "/tmp/k/s"));
	good = !kern_path("//tmp/./k/s/..//s/", LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);
	if (good) {
		good = d_path(&p, buf, PATH_MAX) == 8 && !strcmp(buf, "/tmp/k/d");
		path_put(&p);
	}
	good = good && kern_path("/tmp/k/s/x", LOOKUP_FOLLOW, &p) == -ENOENT;
	good = good && kern_path("/dev/null/x", LOOKUP_FOLLOW, &p) == -ENOTDIR;
	/* Through a mount and back. */
	good = good && !kern_path("/proc/../tmp/k", 0, &p);
	if (good) {
		good = d_path(&p, buf, 8) == 6 && d_path(&p, buf, 6) == -ENAMETOOLONG;
		path_put(&p);
	}
	kfree(buf);
	EXPECT(!do_unlinkat(AT_FDCWD, "/tmp/k/s"));
	EXPECT(do_unlinkat(AT_FDCWD, "/tmp/k") == -EISDIR);
	EXPECT(!do_rmdirat(AT_FDCWD, "/tmp/k/d") && !do_rmdirat(AT_FDCWD, "/tmp/k"));
	EXPECT(good);
}

/* A file system comes and goes with all that is in it. */
KTEST(mount_umount)
{
	struct file *f;

	EXPECT(!do_mkdirat(AT_FDCWD, "/tmp/m", 0755));
	EXPECT(!do_mount("tmpfs", "none", "/tmp/m", "", 0));
	EXPECT(!do_mkdirat(AT_FDCWD, "/tmp/m/a", 0755) &&
	       !do_mkdirat(AT_FDCWD, "/tmp/m/a/b", 0755));
	f = filp_open("/tmp/m/a/b/file", O_RDWR | O_CREAT, 0600);
	EXPECT(!IS_ERR(f) && kernel_write(f, "text", 4, 9999) == 4);
	EXPECT(do_rmdirat(AT_FDCWD, "/tmp/m") == -EBUSY);
	EXPECT(do_linkat(AT_FDCWD, "/tmp/m/a/b/file", AT_FDCWD, "/tmp/f", 0) == -EXDEV);
	EXPECT(do_umount("/tmp/m") == -EBUSY);
	fput(f);
	EXPECT(!do_umount("/tmp/m"));
	EXPECT(PTR_ERR(filp_open("/tmp/m/a", O_RDONLY, 0)) == -ENOENT);
	EXPECT(!do_rmdirat(AT_FDCWD, "/tmp/m"));
	EXPECT(do_umount("/tmp") == -EINVAL && do_umount("/") == -EBUSY);
	EXPECT(do_umount("/dev/..") == -EBUSY);
}
