/*
 * The first contents of the root file system: a cpio archive that the boot loader put into memory.
 *
 * The format is "newc", cpio(5): for each member a header of 110 ASCII characters (magic 070701 and
 * thirteen numbers of eight hexadecimal digits), the name with its NUL, the contents; name and
 * contents are each padded to four bytes. A member named TRAILER!!! ends it; zeroes may follow,
 * and then another archive. Of several hard links the last one carries the contents, so a link seen
 * before is found by its inode number and linked to.
 *
 * The archive comes from outside the kernel: every length is checked against what is left before it
 * is used. It is unpacked once, on the boot CPU, before any program runs; a fault in it ends the
 * unpacking with a line on the console, and the machine goes on with what there is.
 */

#include "fs/internal.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"

#define HEADER_SIZE 110u

struct member {
	u32 ino, mode, uid, gid, nlink, mtime, size, major, minor, rmajor, rminor, name_size;
	char name[PATH_MAX]; /* with a leading slash */
	const char *data;
};

/* A file with several names, of which more are to come. */
struct seen_link {
	struct list_head link;
	u32 ino, major, minor;
	char name[];
};

struct archive {
	const char *at;
	size_t left;
	struct list_head links;
	unsigned files;
};

/* Eight hexadecimal digits. */
static bool read_hex(const char *text, u32 *out)
{
	u32 v = 0;

	for (int i = 0; i < 8; i++) {
		char c = text[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (u32)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v << 4 | (u32)((c | 32) - 'a' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

/* Takes @n bytes and the padding behind them; NULL if there are not so many. */
static const char *take(struct archive *a, size_t n, size_t padded)
{
	const char *p = a->at;

	if (n > a->left)
		return NULL;
	padded = min(padded, a->left);
	a->at += padded;
	a->left -= padded;
	return p;
}

static const char *read_member(struct archive *a, struct member *m)
{
	u32 *const fields[] = {&m->ino,   &m->mode,   &m->uid,    &m->gid,
			       &m->nlink, &m->mtime,  &m->size,   &m->major,
			       &m->minor, &m->rmajor, &m->rminor, &m->name_size};
	const char *h = take(a, HEADER_SIZE, HEADER_SIZE), *name;

	if (!h || (memcmp(h, "070701", 6) && memcmp(h, "070702", 6)))
		return "no cpio header where one was expected";
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (!read_hex(h + 6 + 8 * i, fields[i]))
			return "a header field is no number";
	if (m->name_size < 2 || m->name_size > PATH_MAX - 1)
		return "a name of impossible length";
	name = take(a, m->name_size, ALIGN_UP(HEADER_SIZE + m->name_size, 4) - HEADER_SIZE);
	if (!name || name[m->name_size - 1] || strlen(name) != m->name_size - 1)
		return "a name that does not end where it should";
	while (name[0] == '.' && name[1] == '/')
		name += 2;
	while (*name == '/')
		name++;
	m->name[0] = '/';
	strscpy(m->name + 1, name, sizeof(m->name) - 1);
	m->data = take(a, m->size, ALIGN_UP((size_t)m->size, 4));
	return m->data ? NULL : "contents that go past the end";
}

/* ---- what a member becomes ---- */

static int write_file(const struct member *m)
{
	struct file *f =
		filp_open(m->name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, m->mode & 07777);
	size_t done = 0;
	int err = 0;

	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	while (done < m->size && !err) {
		ssize_t n = kernel_write(f, m->data + done, m->size - done, (loff_t)done);

		if (n > 0)
			done += (size_t)n;
		else
			err = n ? (int)n : -EIO;
	}
	fput(f);
	return err;
}

static int make_link(const struct member *m)
{
	char *target;
	int err;

	if (m->size >= PATH_MAX || !m->size || memchr(m->data, 0, m->size))
		return -EINVAL;
	target = kmalloc(m->size + 1, GFP_KERNEL);
	if (!target)
		return -ENOMEM;
	memcpy(target, m->data, m->size);
	target[m->size] = '\0';
	err = do_symlinkat(target, AT_FDCWD, m->name);
	kfree(target);
	return err;
}

/* Another name of a file that is there already: 1 if it was one, else 0, or -errno. */
static int link_to_earlier(struct archive *a, const struct member *m)
{
	struct seen_link *l;
	int err;

	if (m->nlink < 2)
		return 0;
	list_for_each_entry(l, &a->links, link) {
		if (l->ino != m->ino || l->major != m->major || l->minor != m->minor)
			continue;
		err = do_linkat(AT_FDCWD, l->name, AT_FDCWD, m->name, 0);
		return err ? err : 1;
	}
	l = kmalloc(sizeof(*l) + strlen(m->name) + 1, GFP_KERNEL);
	if (!l)
		return -ENOMEM;
	l->ino = m->ino;
	l->major = m->major;
	l->minor = m->minor;
	strscpy(l->name, m->name, strlen(m->name) + 1);
	list_add(&l->link, &a->links);
	return 0;
}

static int unpack_regular(struct archive *a, const struct member *m)
{
	int linked;

	do_unlinkat(AT_FDCWD, m->name); /* a later archive replaces what an earlier one had */
	linked = link_to_earlier(a, m);
	if (linked < 0)
		return linked;
	/* With an earlier name, only the member that has contents says anything new. */
	return linked && !m->size ? 0 : write_file(m);
}

static void set_attributes(const struct member *m)
{
	struct inode *i;
	struct path p;

	if (kern_path(m->name, 0, &p))
		return;
	i = p.dentry->d_inode;
	mutex_lock(&i->i_mutex);
	if (!S_ISLNK(i->i_mode))
		i->i_mode = (i->i_mode & S_IFMT) | (m->mode & 07777);
	i->i_uid = m->uid;
	i->i_gid = m->gid;
	i->i_mtime = m->mtime * (s64)NSEC_PER_SEC;
	mutex_unlock(&i->i_mutex);
	path_put(&p);
}

static int unpack_member(struct archive *a, const struct member *m)
{
	int err;

	switch (m->mode & S_IFMT) {
	case S_IFDIR:
		err = m->name[1] ? do_mkdirat(AT_FDCWD, m->name, m->mode) : 0;
		break;
	case S_IFREG:
		err = unpack_regular(a, m);
		if (err == -EEXIST)
			return err;
		break;
	case S_IFLNK:
		do_unlinkat(AT_FDCWD, m->name);
		err = make_link(m);
		break;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		err = do_mknodat(AT_FDCWD, m->name, m->mode & (S_IFMT | 07777),
				 MKDEV(m->rmajor, m->rminor));
		break;
	default:
		return -EINVAL;
	}
	if (err && err != -EEXIST) /* a directory or node that the kernel made already */
		return err;
	set_attributes(m);
	return 0;
}

static const char *unpack(struct archive *a, struct member *m)
{
	while (a->left) {
		const char *fault;
		int err;

		if (!*a->at) { /* padding behind an archive */
			a->at++;
			a->left--;
			continue;
		}
		fault = read_member(a, m);
		if (fault)
			return fault;
		if (!strcmp(m->name, "/TRAILER!!!"))
			continue;
		err = unpack_member(a, m);
		if (err)
			printk("initramfs: %s: error %d\n", m->name, err);
		if (err == -ENOSPC || err == -ENOMEM)
			return "no memory left";
		a->files++;
	}
	return NULL;
}

static int __init initramfs_init(void)
{
	struct archive a = {initramfs_start, initramfs_size, LIST_HEAD_INIT(a.links), 0};
	struct member *m = kmalloc(sizeof(*m), GFP_KERNEL);
	struct seen_link *l, *next;
	const char *fault;

	if (!m)
		return -ENOMEM;
	fault = unpack(&a, m);
	if (fault)
		printk("initramfs: %s, %zu bytes before the end\n", fault, a.left);
	printk("initramfs: %u files from %zu bytes\n", a.files, initramfs_size);
	list_for_each_entry_safe(l, next, &a.links, link)
		kfree(l);
	kfree(m);
	initramfs_free();
	return 0;
}
late_initcall(initramfs_init);
