/*
 * Files in flight over UNIX sockets, from below: the graph of who is in whose queue is built by hand,
 * and the collector is asked at once what it finds. Each picture: X --> Y is "a message in X's queue
 * holds Y"; [X] is open in some process (here: the test holds a reference).
 */
#include "kernel/lib/ktest.h"
#include "kernel/mm/slab.h"
#include "net/socket.h"
#include "net/unix.h"

#define NODES 8

static struct file *node[NODES], *feeder[NODES];

/* A socket that can be in flight, and the other end, through which its queue is fed. */
static bool make_node(int i)
{
	const struct net_proto_family *f = sock_family(AF_UNIX);
	struct sock *a = f->create(SOCK_STREAM, 0), *b = f->create(SOCK_STREAM, 0);

	if (IS_ERR(a) || IS_ERR(b))
		return false;
	node[i] = sock_alloc_file(a, 0);
	feeder[i] = sock_alloc_file(b, 0);
	if (IS_ERR(node[i]) || IS_ERR(feeder[i]))
		return false;
	return !a->ops->socketpair(a, b);
}

static bool make_nodes(int n)
{
	for (int i = 0; i < n; i++)
		if (!make_node(i))
			return false;
	return true;
}

/* @from --> @to. */
static bool edge(int from, int to)
{
	struct unix_sock *u = unix_sk(sock_from_file(node[from]));
	struct scm_cookie scm = {
		.fp = kzalloc(sizeof(*scm.fp) + sizeof(struct file *), GFP_KERNEL)};
	struct unix_msg *m = unix_msg_alloc(unix_sk(sock_from_file(feeder[from])), 1, 0);

	if (!scm.fp || IS_ERR(m))
		return false;
	m->first.data[0] = 0;
	scm.fp->count = 1;
	scm.fp->files[0] = get_file(node[to]);
	if (unix_msg_attach(m, &scm))
		return false;
	spin_lock(&u->lock);
	unix_queue(u, m);
	spin_unlock(&u->lock);
	return true;
}

/* The test's reference to a node, as close(2) would. */
static void close_node(int i)
{
	unix_flush(sock_from_file(node[i]), node[i]);
	fput(node[i]);
}

static void close_feeders(int n)
{
	for (int i = 0; i < n; i++)
		fput(feeder[i]);
}

/* A --> A: gone with the last close. */
KTEST(unix_gc_self)
{
	EXPECT(make_nodes(1) && edge(0, 0));
	EXPECT(unix_tot_inflight == 1);
	close_node(0);
	EXPECT(unix_tot_inflight == 0);
	close_feeders(1);
}

/* A --> B --> C --> A, and C --> D. Open: A, later nobody. */
KTEST(unix_gc_ring)
{
	EXPECT(make_nodes(4) && edge(0, 1) && edge(1, 2) && edge(2, 0) && edge(2, 3));
	close_node(3);
	close_node(1);
	close_node(2);
	EXPECT(unix_tot_inflight == 4);
	close_node(0);
	EXPECT(unix_tot_inflight == 0);
	close_feeders(4);
}

/* [E] --> A --> B --> A: a ring that can be reached is no garbage. */
KTEST(unix_gc_reachable)
{
	EXPECT(make_nodes(3) && edge(0, 1) && edge(1, 0) && edge(2, 0));
	close_node(0);
	close_node(1);
	unix_gc(NULL);
	EXPECT(unix_tot_inflight == 2);
	close_node(2);
	EXPECT(unix_tot_inflight == 0);
	close_feeders(3);
}

/* Two rings, A <--> B and C <--> D, with B --> C. Closing all but C leaves the second. */
KTEST(unix_gc_two_rings)
{
	EXPECT(make_nodes(4) && edge(0, 1) && edge(1, 0) && edge(2, 3) && edge(3, 2) && edge(1, 2));
	close_node(3);
	close_node(1);
	close_node(0);
	EXPECT(unix_tot_inflight == 2);
	close_node(2);
	EXPECT(unix_tot_inflight == 0);
	close_feeders(4);
}

/* A peeked file keeps the ring alive. */
KTEST(unix_gc_peek)
{
	struct unix_sock *u;
	struct scm_fp *copy;

	EXPECT(make_nodes(2) && edge(0, 1) && edge(1, 0));
	u = unix_sk(sock_from_file(node[1]));
	copy = unix_copy_files(list_first_entry(&u->rx, struct unix_msg, link));
	EXPECT(copy);
	close_node(0);
	close_node(1);
	unix_gc(NULL);
	EXPECT(unix_tot_inflight == 2);
	scm_drop(copy);
	EXPECT(unix_tot_inflight == 0);
	close_feeders(2);
}
