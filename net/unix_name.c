/*
 * UNIX sockets: names, unix(7). A name is one of
 *
 *	a path            a node in the file system, made by bind(2). Whoever may write to the node
 *	                  may connect. It stays when the socket is closed, and leads nowhere then
 *	abstract          any bytes behind a NUL. It lives as long as the socket, and has no owner
 *	chosen by bind(2) with an empty address: abstract, five hex digits ("autobind")
 *
 * One table finds them all, in constant time: by the inode of a path's node, by type and bytes of an
 * abstract name; sockets without a name are there by their own address, for /proc/net/unix.
 *
 * LOCKING: a lock a bucket, innermost. lock_sock() makes binds of one socket take turns. Who finds a
 * socket in a bucket takes a reference there; unix_table_del() comes before the file's is dropped.
 */

#include "kernel/lib/init.h"
#include "kernel/lib/random.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "net/unix.h"

#define NAME_BUCKETS 256u
#define PATH_OFFSET  offsetof(struct sockaddr_un, sun_path)
#define AUTOBIND_MAX 0xfffffu

static struct bucket {
	spinlock_t lock;
	struct list_head head; /* by name_link */
} table[NAME_BUCKETS];

/* ---- the table ---- */

static unsigned hash_pointer(const void *p)
{
	u64 v = (u64)p;

	return (unsigned)((v * 0x9e3779b97f4a7c15ull) >> 56) % NAME_BUCKETS;
}

static unsigned hash_name(const struct sockaddr_un *name, int len, int type)
{
	u32 h = 0x811c9dc5u ^ (u32)type;

	for (int i = PATH_OFFSET; i < len; i++)
		h = (h ^ ((const u8 *)name)[i]) * 0x01000193u;
	return (h ^ h >> 16) % NAME_BUCKETS;
}

void unix_table_add(struct unix_sock *u)
{
	struct bucket *b;

	u->bucket = hash_pointer(u);
	b = &table[u->bucket];
	spin_lock(&b->lock);
	list_add_tail(&u->name_link, &b->head);
	spin_unlock(&b->lock);
}

void unix_table_del(struct unix_sock *u)
{
	struct bucket *b = &table[u->bucket];

	spin_lock(&b->lock);
	list_del_init(&u->name_link);
	spin_unlock(&b->lock);
}

/* Is @u the one of that type with the abstract name @name? Its bucket is locked. */
static bool has_name(const struct unix_sock *u, const struct sockaddr_un *name, int len, int type)
{
	return u->named && u->sk.type == type && u->addr->len == len &&
	       !memcmp(&u->addr->name, name, (size_t)len);
}

/* With a reference, or NULL. */
static struct unix_sock *find_abstract(const struct sockaddr_un *name, int len, int type)
{
	struct bucket *b = &table[hash_name(name, len, type)];
	struct unix_sock *u;

	spin_lock(&b->lock);
	list_for_each_entry(u, &b->head, name_link)
		if (has_name(u, name, len, type)) {
			unix_get(u);
			spin_unlock(&b->lock);
			return u;
		}
	spin_unlock(&b->lock);
	return NULL;
}

static struct unix_sock *find_inode(const struct inode *inode)
{
	struct bucket *b = &table[hash_pointer(inode)];
	struct unix_sock *u;

	spin_lock(&b->lock);
	list_for_each_entry(u, &b->head, name_link)
		if (u->path.dentry && u->path.dentry->d_inode == inode) {
			unix_get(u);
			spin_unlock(&b->lock);
			return u;
		}
	spin_unlock(&b->lock);
	return NULL;
}

/* ---- names ---- */

void unix_addr_put(struct unix_addr *a)
{
	if (refcount_dec_and_test(&a->refs))
		kfree(a);
}

static struct unix_addr *addr_alloc(const struct sockaddr_un *name, int len)
{
	struct unix_addr *a = kzalloc(sizeof(*a), GFP_KERNEL);

	if (!a)
		return NULL;
	refcount_set(&a->refs, 1);
	a->len = len;
	memcpy(&a->name, name, (size_t)len);
	return a;
}

/* Moves @u to bucket @nr under its name. false: an abstract one that somebody has already. */
static bool table_name(struct unix_sock *u, unsigned nr, struct unix_addr *a,
		       const struct path *path)
{
	struct bucket *b = &table[nr];
	struct unix_sock *other;

	unix_table_del(u);
	spin_lock(&b->lock);
	if (!path) {
		list_for_each_entry(other, &b->head, name_link)
			if (has_name(other, &a->name, a->len, u->sk.type)) {
				spin_unlock(&b->lock);
				unix_table_add(u);
				return false;
			}
	} else {
		u->path = *path;
	}
	u->named = true;
	/* Who sees the pointer sees the name. */
	smp_store_release(&u->addr, a);
	u->bucket = nr;
	list_add_tail(&u->name_link, &b->head);
	spin_unlock(&b->lock);
	return true;
}

int unix_check_name(const struct sockaddr *addr, int len)
{
	if (len <= (int)PATH_OFFSET || len > (int)sizeof(struct sockaddr_un))
		return -EINVAL;
	return addr->sa_family == AF_UNIX ? 0 : -EINVAL;
}

/* The path as a string: it may fill sun_path without a NUL. Returns the name's full length. */
static int path_string(char buf[UNIX_PATH_MAX + 1], const struct sockaddr_un *un, int len)
{
	size_t n = (size_t)len - PATH_OFFSET;

	memcpy(buf, un->sun_path, n);
	buf[n] = '\0';
	return (int)(PATH_OFFSET + strlen(buf) + 1);
}

/* lock_sock() held. */
static int bind_path(struct unix_sock *u, const struct sockaddr_un *un, int len)
{
	char name[UNIX_PATH_MAX + 1];
	struct unix_addr *a;
	struct path node;
	int err;

	len = path_string(name, un, len);
	if (u->addr) {
		/* What is there already is found before the socket is looked at. */
		if (kern_path(name, 0, &node))
			return -EINVAL;
		path_put(&node);
		return -EADDRINUSE;
	}
	a = addr_alloc(un, min(len, (int)sizeof(*un)));
	if (!a)
		return -ENOMEM;
	a->len = len;
	err = kern_mknod(name, S_IFSOCK | 0777, &node);
	if (err) {
		unix_addr_put(a);
		return err == -EEXIST ? -EADDRINUSE : err;
	}
	table_name(u, hash_pointer(node.dentry->d_inode), a, &node);
	return 0;
}

/* lock_sock() held. */
static int bind_abstract(struct unix_sock *u, const struct sockaddr_un *un, int len)
{
	struct unix_addr *a;

	if (u->addr)
		return -EINVAL;
	a = addr_alloc(un, len);
	if (!a)
		return -ENOMEM;
	if (table_name(u, hash_name(un, len, u->sk.type), a, NULL))
		return 0;
	unix_addr_put(a);
	return -EADDRINUSE;
}

/* Tries names from a random one on. lock_sock() held. */
static int autobind_locked(struct unix_sock *u)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	u32 n, tries;
	int err;

	if (u->addr)
		return 0;
	n = get_random_u32();
	for (tries = 0; tries <= AUTOBIND_MAX; tries++, n++) {
		snprintf(un.sun_path + 1, 6, "%05x", n & AUTOBIND_MAX);
		err = bind_abstract(u, &un, PATH_OFFSET + 6);
		if (err != -EADDRINUSE)
			return err;
		cond_resched();
	}
	return -ENOSPC;
}

int unix_autobind(struct unix_sock *u)
{
	int err;

	if (READ_ONCE(u->addr))
		return 0;
	lock_sock(&u->sk);
	err = autobind_locked(u);
	release_sock(&u->sk);
	return err;
}

int unix_bind(struct sock *sk, const struct sockaddr *addr, int len)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)addr;
	struct unix_sock *u = unix_sk(sk);
	int err;

	if (len == (int)PATH_OFFSET && addr->sa_family == AF_UNIX)
		return unix_autobind(u);
	err = unix_check_name(addr, len);
	if (err)
		return err;
	lock_sock(sk);
	err = un->sun_path[0] ? bind_path(u, un, len) : bind_abstract(u, un, len);
	release_sock(sk);
	return err;
}

static struct unix_sock *find_path(const struct sockaddr_un *un, int len, int type)
{
	char name[UNIX_PATH_MAX + 1];
	struct unix_sock *u = NULL;
	struct inode *inode;
	struct path p;
	int err;

	path_string(name, un, len);
	err = kern_path(name, LOOKUP_FOLLOW, &p);
	if (err)
		return ERR_PTR(err);
	inode = p.dentry->d_inode;
	err = inode_permission(inode, MAY_WRITE);
	if (!err && S_ISSOCK(inode->i_mode))
		u = find_inode(inode);
	path_put(&p);
	if (err)
		return ERR_PTR(err);
	if (u && u->sk.type != type) {
		unix_put(u);
		return ERR_PTR(-EPROTOTYPE);
	}
	return u ? u : ERR_PTR(-ECONNREFUSED);
}

struct unix_sock *unix_find(const struct sockaddr *addr, int len, int type)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)addr;
	struct unix_sock *u;
	int err = unix_check_name(addr, len);

	if (err)
		return ERR_PTR(err);
	if (un->sun_path[0])
		return find_path(un, len, type);
	u = find_abstract(un, len, type);
	return u ? u : ERR_PTR(-ECONNREFUSED);
}

int unix_getname(struct sock *sk, struct sockaddr_storage *addr, int peer)
{
	struct unix_sock *u = peer ? unix_peer_get(unix_sk(sk)) : unix_get(unix_sk(sk));
	const struct unix_addr *a;
	int len = sizeof(addr->ss_family);

	if (!u)
		return -ENOTCONN;
	a = READ_ONCE(u->addr);
	addr->ss_family = AF_UNIX;
	if (a) {
		len = a->len;
		memcpy(addr, &a->name, (size_t)len);
	}
	unix_put(u);
	return len;
}

/* ---- /proc/net/unix ---- */

#define ROWS 32 /* of one bucket; a longer chain is cut short */

static void show_name(struct seq *s, const struct unix_addr *a)
{
	const char *p = a->name.sun_path;
	size_t n = (size_t)a->len - PATH_OFFSET;

	/* A path with its NUL; an abstract name with '@' for each. */
	if (p[0])
		n--;
	seq_printf(s, " ");
	for (size_t i = 0; i < n; i++)
		seq_printf(s, "%c", p[i] ? p[i] : '@');
}

static void show_sock(struct seq *s, const struct unix_sock *u)
{
	const struct unix_addr *a = READ_ONCE(u->addr);
	u8 state = READ_ONCE(u->sk.state);
	/* SS_UNCONNECTED to SS_CONNECTED of linux/net.h; without an inode nobody has accepted it. */
	unsigned st = state == TCP_ESTABLISHED ? (u->sk.ino ? 3 : 2) : (u->sk.ino ? 1 : 4);

	seq_printf(s, "%016x: %08X %08X %08X %04X %02X %5lu", 0u, (unsigned)refcount_read(&u->refs),
		   0u, state == TCP_LISTEN ? 0x10000u : 0u, (unsigned)u->sk.type, st, u->sk.ino);
	if (a)
		show_name(s, a);
	seq_printf(s, "\n");
}

static void unix_show(struct seq *s)
{
	struct unix_sock *rows[ROWS], *u;

	seq_printf(s, "Num       RefCount Protocol Flags    Type St Inode Path\n");
	for (unsigned i = 0; i < NAME_BUCKETS; i++) {
		unsigned n = 0;

		spin_lock(&table[i].lock);
		list_for_each_entry(u, &table[i].head, name_link)
			if (n < ROWS)
				rows[n++] = unix_get(u);
		spin_unlock(&table[i].lock);
		for (unsigned k = 0; k < n; k++) {
			show_sock(s, rows[k]);
			unix_put(rows[k]);
		}
		cond_resched();
	}
}

PROC_ENTRY(net_unix, "net/unix", unix_show);

static int __init unix_name_init(void)
{
	for (unsigned i = 0; i < NAME_BUCKETS; i++) {
		spin_lock_init(&table[i].lock);
		INIT_LIST_HEAD(&table[i].head);
	}
	return 0;
}
core_initcall(unix_name_init);
