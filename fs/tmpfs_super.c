/*
 * tmpfs as a whole: what mount(2) may ask of it, tmpfs(5), and what statfs(2) says of it.
 *
 *	size=		bytes (with k, m, g or t behind them), or % of memory. 0: no limit
 *	nr_blocks=	the same in pages
 *	nr_inodes=	files, directories and all else that has an inode. 0: no limit
 *	mode=, uid=, gid=	of the root
 *
 * ramfs is a tmpfs without limits. Of the options it knows mode= and takes no offence at others.
 */
#include "fs/tmpfs.h"
#include "kernel/lib/seq.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"

#define TMPFS_MAGIC 0x01021994u
#define RAMFS_MAGIC 0x858458f6u

static s64 usual_limit(const struct tmpfs_sb *ts)
{
	return ts->ramfs ? TMPFS_NO_LIMIT : (s64)(total_pages / 2);
}

/* ---- options ---- */

/* A number with a unit behind it, which is taken off. 0 or -EINVAL. */
static int parse_size(char *text, bool percent, u64 *out)
{
	static const char units[] = "kmgt";
	size_t len = strlen(text);
	char last = len ? (char)(text[len - 1] | 0x20) : '\0';
	const char *unit = last ? strchr(units, last) : NULL;
	u64 scale = unit ? 1024ull << 10 * (unit - units) : 1, n;

	if (percent && len && text[len - 1] == '%')
		scale = total_pages * PAGE_SIZE / 100;
	if (scale != 1)
		text[len - 1] = '\0';
	if (kstrtoul(text, 10, &n) || __builtin_mul_overflow(n, scale, out) || *out >> 62)
		return -EINVAL;
	return 0;
}

static s64 or_no_limit(u64 n)
{
	return n ? (s64)n : TMPFS_NO_LIMIT;
}

/* "name=value". 0 or -EINVAL. */
static int parse_option(struct tmpfs_sb *ts, char *name)
{
	char *value = strchr(name, '=');
	u64 n;
	int err;

	if (ts->ramfs && strncmp(name, "mode=", 5))
		return 0;
	if (!value)
		return -EINVAL;
	*value++ = '\0';
	if (!strcmp(name, "size")) {
		err = parse_size(value, true, &n);
		ts->max = or_no_limit((n + PAGE_SIZE - 1) >> PAGE_SHIFT);
		return err;
	}
	if (!strcmp(name, "nr_blocks") || !strcmp(name, "nr_inodes")) {
		err = parse_size(value, false, &n);
		*(name[3] == 'b' ? &ts->max : &ts->max_inodes) = or_no_limit(n);
		return err;
	}
	if (!strcmp(name, "mode")) {
		err = kstrtoul(value, 8, &n);
		ts->mode = n & 07777;
		return err;
	}
	if (strcmp(name, "uid") && strcmp(name, "gid"))
		return -EINVAL;
	err = kstrtoul(value, 10, &n);
	*(name[0] == 'u' ? &ts->uid : &ts->gid) = (u32)n;
	return err || n >= KEEP_ID ? -EINVAL : 0;
}

static int parse_options(struct tmpfs_sb *ts, const char *options)
{
	char *copy = kstrdup(options, GFP_KERNEL), *word = copy, *end;
	int err = copy ? 0 : -ENOMEM;

	while (!err && word && *word) {
		end = strchr(word, ',');
		if (end)
			*end++ = '\0';
		if (*word)
			err = parse_option(ts, word);
		word = end;
	}
	kfree(copy);
	return err;
}

/* As /proc/mounts has them: what was asked for, not what is so anyway. */
static void tmpfs_show_options(struct super_block *sb, struct seq *s)
{
	const struct tmpfs_sb *ts = sb->s_private;

	if (ts->max != usual_limit(ts))
		seq_printf(s, ",size=%luk",
			   ts->max == TMPFS_NO_LIMIT ? 0ul : (u64)ts->max * (PAGE_SIZE / 1024));
	if (ts->max_inodes != usual_limit(ts))
		seq_printf(s, ",nr_inodes=%lu",
			   ts->max_inodes == TMPFS_NO_LIMIT ? 0ul : (u64)ts->max_inodes);
	if (ts->mode != (ts->ramfs ? 0755 : 01777))
		seq_printf(s, ",mode=%03o", ts->mode);
	if (ts->uid)
		seq_printf(s, ",uid=%u", ts->uid);
	if (ts->gid)
		seq_printf(s, ",gid=%u", ts->gid);
}

/* ---- the file system ---- */

static u64 left(s64 max, atomic64_t *used)
{
	return (u64)max(max - atomic_read(used), 0l);
}

static void tmpfs_statfs(struct super_block *sb, struct fs_space *to)
{
	struct tmpfs_sb *ts = sb->s_private;

	if (ts->max != TMPFS_NO_LIMIT) {
		to->blocks = (u64)ts->max;
		to->bfree = left(ts->max, &ts->used);
	}
	if (ts->max_inodes != TMPFS_NO_LIMIT) {
		to->files = (u64)ts->max_inodes;
		to->ffree = left(ts->max_inodes, &ts->inodes);
	}
}

static const struct super_operations tmpfs_sops = {
	.evict = tmpfs_evict,
	.statfs = tmpfs_statfs,
	.show_options = tmpfs_show_options,
};

static int make_root(struct super_block *sb, const struct tmpfs_sb *ts)
{
	struct inode *root = tmpfs_inode(sb, S_IFDIR | ts->mode);

	if (!root)
		return -ENOMEM;
	root->i_uid = ts->uid;
	root->i_gid = ts->gid;
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

int tmpfs_fill_super(struct super_block *sb, const char *options)
{
	struct tmpfs_sb *ts = kzalloc(sizeof(*ts), GFP_KERNEL);
	int err;

	if (!ts)
		return -ENOMEM;
	ts->ramfs = sb->s_type == &ramfs_type;
	ts->max = ts->max_inodes = usual_limit(ts);
	ts->mode = sb->s_type->single || ts->ramfs ? 0755 : 01777;
	ts->uid = current_fsuid();
	ts->gid = current_fsgid();
	sb->s_private = ts;
	sb->s_op = &tmpfs_sops;
	sb->s_magic = ts->ramfs ? RAMFS_MAGIC : TMPFS_MAGIC;
	sb->s_cache = true;
	err = parse_options(ts, options) ?: make_root(sb, ts);
	if (err)
		kfree(ts);
	return err;
}

void tmpfs_kill_super(struct super_block *sb)
{
	kfree(sb->s_private);
}
