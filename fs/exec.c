/*
 * execve(2) and execveat(2) as the file system sees them, and the start of process 1.
 *
 * kernel/exec/ knows programs, not files. Here a path becomes an open file, a file becomes a struct
 * binary (read, mmap), and the two meet in do_execve(). A file that begins with "#!" is not a program
 * but names one: that one is opened instead and gets the script's path as an argument; it may be a
 * script itself, a few times over.
 *
 * To execute a file one must be allowed to (x), and, here, to read it as well (r): a file with x
 * alone is refused.
 *
 * The file stays open while the program is loaded; afterwards its mappings hold it.
 */
#include "fs/internal.h"
#include "kernel/cpu/syscall.h"
#include "kernel/exec/binary.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"

#define SCRIPT_LINE  256 /* bytes of a script that are looked at, "#!" included */
#define SCRIPT_DEPTH 5   /* scripts whose interpreters are scripts */
#define MAX_WORDS    (2 * SCRIPT_DEPTH + 2) /* interpreter and argument of each, path, NULL */

struct exec_file {
	struct binary bin;
	struct file *file;
};

/* The words of the scripts on the way to a program, filled from the end. */
struct script {
	const char *words[MAX_WORDS];
	int first; /* index of the first word */
	int depth;
	char lines[SCRIPT_DEPTH][SCRIPT_LINE];
};

/* ---- a file as a struct binary ---- */

static ssize_t binary_read(struct binary *b, void *buf, size_t len, u64 off)
{
	struct exec_file *x = b->priv;

	return off >> 63 ? -ENOEXEC : kernel_read(x->file, buf, len, (loff_t)off);
}

static int binary_mmap(struct binary *b, u64 len, int prot, u64 off, const struct vm_ops **ops,
		       void **object)
{
	struct exec_file *x = b->priv;

	return x->file->f_op->mmap(x->file, len, prot, MAP_PRIVATE, off, ops, object);
}

static struct binary *binary_open_interp(struct binary *b, const char *path);

/* The program's file in an address space: nobody may write to it while that lives. */
static void get_exe(void *exe)
{
	struct file *f = exe;

	__atomic_fetch_sub(&f->f_inode->i_writecount, 1, __ATOMIC_RELAXED); /* it is below 0 */
	get_file(f);
}

static void put_exe(void *exe)
{
	struct file *f = exe;

	allow_write_access(f->f_inode);
	fput(f);
}

static void binary_hold(struct binary *b, struct mm *mm)
{
	struct exec_file *x = b->priv;

	get_exe(x->file);
	mm->exe = x->file;
}

static void binary_close(struct binary *b)
{
	struct exec_file *x = b->priv;

	put_exe(x->file);
	kfree(x);
}

/*
 * Only an ordinary file with x permission, of a kind that can be mapped, and that nobody has open
 * for writing, can be run. 0: and nobody can write to it from now on.
 */
static int may_execute(const struct file *f)
{
	if (!S_ISREG(f->f_inode->i_mode))
		return -EACCES;
	if (READ_ONCE(f->f_mnt->flags) & MS_NOEXEC)
		return -EACCES;
	if (inode_permission(f->f_inode, MAY_EXEC))
		return -EACCES;
	if (!f->f_op->mmap || !f->f_op->read)
		return -EACCES;
	return deny_write_access(f->f_inode);
}

/* The ids that the program gets from its file. Both change under i_mutex. */
static void read_set_ids(struct binary *b, const struct file *f)
{
	struct inode *i = f->f_inode;

	b->set_uid = b->set_gid = KEEP_ID;
	if (READ_ONCE(f->f_mnt->flags) & MS_NOSUID)
		return;
	mutex_lock(&i->i_mutex);
	if (i->i_mode & S_ISUID)
		b->set_uid = i->i_uid;
	if ((i->i_mode & (S_ISGID | 0010)) == (S_ISGID | 0010))
		b->set_gid = i->i_gid;
	mutex_unlock(&i->i_mutex);
}

/* Takes over @f, or its ERR_PTR; @path is the name it goes by. ERR_PTR. */
static struct binary *binary_from_file(struct file *f, const char *path)
{
	struct exec_file *x;
	ssize_t err;

	if (IS_ERR(f))
		return ERR_PTR(PTR_ERR(f));
	err = may_execute(f);
	if (err)
		goto put;
	x = kmalloc(sizeof(*x), GFP_KERNEL);
	if (!x) {
		put_exe(f);
		return ERR_PTR(-ENOMEM);
	}
	x->file = f;
	x->bin = (struct binary){
		.read = binary_read,
		.mmap = binary_mmap,
		.hold = binary_hold,
		.path = path,
		.priv = x,
		.open_interp = binary_open_interp,
		.close = binary_close,
	};
	read_set_ids(&x->bin, f);
	return &x->bin;
put:
	fput(f);
	return ERR_PTR(err);
}

/* O_NONBLOCK: a FIFO must be refused, not waited for. */
static struct binary *binary_open(const char *path)
{
	struct file *f = filp_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

	/* A device without a driver, or a socket: whatever it is, it is no ordinary file. */
	if (IS_ERR(f) && PTR_ERR(f) == -ENXIO)
		return ERR_PTR(-EACCES);
	return binary_from_file(f, path);
}

static struct binary *binary_open_interp(struct binary *b, const char *path)
{
	return binary_open(path);
}

/* ---- scripts ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static char *skip_blanks(char *s)
{
	while (is_blank(*s))
		s++;
	return s;
}

/*
 * Splits "#!interpreter [argument]" in place; @line has SCRIPT_LINE bytes, zeroes behind a short file.
 * The argument is all of the rest of the line, as Linux has it, so "#!/usr/bin/env -S a b" is two words
 * and not four. A line that is longer than what was read may lose part of its argument, but not of
 * the interpreter's name. 0 or -ENOEXEC.
 */
static int parse_script(char *line, char **interp, char **arg)
{
	char *s, *end = memchr(line, '\n', SCRIPT_LINE), *last = line + SCRIPT_LINE - 1;
	bool cut = !end && *last && !is_blank(*last);

	if (!end)
		end = last;
	*end = '\0';
	*interp = s = skip_blanks(line + 2);
	while (*s && !is_blank(*s))
		s++;
	if (!**interp || (cut && s == end))
		return -ENOEXEC;
	while (end > s && is_blank(end[-1]))
		*--end = '\0';
	if (*s)
		*s++ = '\0';
	*arg = skip_blanks(s);
	return 0;
}

static bool is_script(struct binary *b)
{
	char magic[2];

	return b->read(b, magic, 2, 0) == 2 && magic[0] == '#' && magic[1] == '!';
}

static void put_word(struct script *s, const char *word)
{
	s->words[--s->first] = word;
}

/* Reads the next script's first line and notes its words; the interpreter's path in *interp. */
static int read_script(struct binary *b, const char *path, struct script *s, char **interp)
{
	char *line, *arg;
	ssize_t n;
	int err;

	if (s->depth == SCRIPT_DEPTH)
		return -ELOOP;
	line = s->lines[s->depth];
	memset(line, 0, SCRIPT_LINE);
	n = b->read(b, line, SCRIPT_LINE, 0);
	if (n < 0)
		return (int)n;
	err = parse_script(line, interp, &arg);
	if (err)
		return err;
	/* The outermost script's path; an inner one's is there already, as interpreter. */
	if (!s->depth++)
		put_word(s, path);
	if (*arg)
		put_word(s, arg);
	put_word(s, *interp);
	return 0;
}

/*
 * If @b is a script: closes it and returns its interpreter, with the words noted in @s. Else @b
 * itself, or ERR_PTR (and @b is closed). @path NULL: the script's interpreter could not open it.
 */
static struct binary *open_script(struct binary *b, const char *path, struct script *s)
{
	char *interp = NULL;
	int err;

	while (!IS_ERR(b) && is_script(b)) {
		err = path ? read_script(b, path, s, &interp) : -ENOENT;
		b->close(b);
		b = err ? ERR_PTR(err) : binary_open(interp);
	}
	return b;
}

/* @script_path: what the interpreter of a script is told; NULL if it could not find it. */
static int exec_binary(struct binary *b, const char *path, const char *script_path,
		       const char __user *const __user *argv, const char __user *const __user *envp,
		       bool kernel_args)
{
	struct script *s;
	int err;

	if (IS_ERR(b))
		return (int)PTR_ERR(b);
	s = kmalloc(sizeof(*s), GFP_KERNEL);
	if (!s) {
		b->close(b);
		return -ENOMEM;
	}
	s->depth = 0;
	s->first = MAX_WORDS - 1;
	s->words[s->first] = NULL;
	b = open_script(b, script_path, s);
	if (IS_ERR(b)) {
		err = (int)PTR_ERR(b);
	} else {
		b->path = path;
		b->prepend = s->depth ? s->words + s->first : NULL;
		err = do_execve(b, argv, envp, kernel_args);
		b->close(b);
	}
	kfree(s);
	return err;
}

/* ---- system calls ---- */

SYSCALL_DEFINE3(execve, const char __user *, uname, const char __user *const __user *, argv,
		const char __user *const __user *, envp)
{
	char *name = getname(uname, false);
	int err;

	if (IS_ERR(name))
		return PTR_ERR(name);
	err = exec_binary(binary_open(name), name, name, argv, envp, false);
	putname(name);
	return err;
}

/* What a name relative to a descriptor leads to; ERR_PTR. An O_PATH descriptor is a place as well. */
static struct file *open_at_fd(int dfd, const char *name, int flags)
{
	unsigned lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct file *f;
	struct path p;
	int err;

	if (!*name) {
		f = files_get(current->files, (unsigned)dfd);
		if (!f)
			return ERR_PTR(-EBADF);
		if (!(f->f_mode & FMODE_PATH))
			return f;
		p = (struct path){f->f_mnt, f->f_dentry};
		path_get(&p);
		fput(f);
	} else {
		err = path_lookupat(dfd, name, lookup, &p, NULL);
		if (err)
			return ERR_PTR(err);
	}
	f = open_place(&p, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	path_put(&p);
	return f;
}

static bool closes_on_exec(int fd)
{
	bool cloexec = false;
	struct file *f = task_get_file(current, (unsigned)fd, &cloexec);

	if (f)
		fput(f);
	return cloexec;
}

SYSCALL_DEFINE5(execveat, int, dfd, const char __user *, uname, const char __user *const __user *,
		argv, const char __user *const __user *, envp, int, flags)
{
	char *name, *path;
	bool by_fd;
	int err;

	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	name = getname(uname, flags & AT_EMPTY_PATH);
	if (IS_ERR(name))
		return PTR_ERR(name);
	path = kmem_cache_alloc(names_cache, GFP_KERNEL);
	if (!path) {
		putname(name);
		return -ENOMEM;
	}
	/* The name the program is told (AT_EXECFN), and by which a script can be opened again. */
	by_fd = dfd != AT_FDCWD && *name != '/';
	if (!by_fd)
		strscpy(path, name, PATH_MAX);
	else
		snprintf(path, PATH_MAX, *name ? "/dev/fd/%d/%s" : "/dev/fd/%d", dfd, name);
	err = exec_binary(binary_from_file(open_at_fd(dfd, name, flags), path), path,
			  by_fd && closes_on_exec(dfd) ? NULL : path, argv, envp, false);
	putname(path);
	putname(name);
	return err;
}

/* ---- process 1 ---- */

#define MAX_INIT_ARGS 32

/* Standard input, output and error. */
static void open_console(void)
{
	struct file *f = filp_open("/dev/console", O_RDWR, 0);

	if (IS_ERR(f)) {
		printk("init: /dev/console: error %ld; it starts without one\n", -PTR_ERR(f));
		return;
	}
	for (int i = 0; i < 3; i++)
		fd_install_new(get_file(f), 0);
	fput(f);
}

/* Init's arguments are the words of the command line after a "--" of its own. */
static void init_args(char *line, const char *argv[], const char *path)
{
	char *s = strstr(line, " -- ");
	int n = 0;

	argv[n++] = path;
	for (s = s ? s + 4 : NULL; s && *s && n < MAX_INIT_ARGS; n++) {
		s = skip_blanks(s);
		if (!*s)
			break;
		argv[n] = s;
		while (*s && *s != ' ')
			s++;
		if (*s)
			*s++ = '\0';
	}
	argv[n] = NULL;
}

/*
 * Turns the thread that has booted the kernel, which has pid 1, into a process and gives it a
 * program. When this returns it goes to user mode.
 */
static int start_init(void)
{
	static const char *const envp[] = {"HOME=/", "TERM=linux",
					   "PATH=/bin:/sbin:/usr/bin:/usr/sbin", NULL};
	const char *argv[MAX_INIT_ARGS + 1];
	char path[128] = "/init", *line = kstrdup(cmdline(), GFP_KERNEL);
	int err;

	if (current->pid != 1)
		panic("init would be process %d", current->pid);
	if (!line || become_process() || task_init_files(current))
		panic("no memory for process 1");
	init_task = current;
	open_console();
	cmdline_get("init", path, sizeof(path));
	init_args(line, argv, path);
	err = exec_binary(binary_open(path), path, path, argv, envp, true);
	if (err)
		panic("cannot start %s as process 1: error %d; name another program with init=",
		      path, -err);
	kfree(line);
	return 0;
}
user_initcall(start_init);

static int __init exe_init(void)
{
	mm_exe_get = get_exe;
	mm_exe_put = put_exe;
	return 0;
}
core_initcall(exe_init);
