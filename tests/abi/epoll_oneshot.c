/* Rule 12: EPOLLONESHOT, deaf from its event to the next MOD, for ERR and HUP too. */
#include "epoll.h"

int main(void)
{
	int ep = must(epoll_create1(0)), p[2];

	must(pipe(p));
	must(ep_add(ep, p[0], EPOLLIN | EPOLLONESHOT));
	ok(none(ep), "nothing yet");
	put(p[1]);
	ok(one(ep, EPOLLIN, (uint64_t)p[0]), "fires");
	ok(none(ep), "once");
	put(p[1]);
	ok(none(ep), "a new byte is not reported");
	fails(ep_add(ep, p[0], EPOLLIN), EEXIST);
	must(ep_mod(ep, p[0], EPOLLIN | EPOLLONESHOT));
	ok(one(ep, EPOLLIN, (uint64_t)p[0]), "MOD re-arms it, and it is ready");
	ok(none(ep), "once");
	get(p[0]);
	get(p[0]);
	must(ep_mod(ep, p[0], EPOLLIN | EPOLLONESHOT));
	ok(none(ep), "re-armed and not ready");
	put(p[1]);
	ok(one(ep, EPOLLIN, (uint64_t)p[0]), "fires when it is");
	must(close(p[1]));
	ok(silence(ep), "a hang-up of an item that has fired is not reported");
	must(ep_mod(ep, p[0], EPOLLIN | EPOLLONESHOT));
	ok(one(ep, EPOLLIN | EPOLLHUP, (uint64_t)p[0]), "MOD brings it");
	ok(none(ep), "once");
	close(p[0]);

	must(pipe(p));
	must(ep_add(ep, p[0], EPOLLIN | EPOLLET | EPOLLONESHOT));
	put(p[1]);
	put(p[1]);
	ok(one(ep, EPOLLIN, (uint64_t)p[0]) && none(ep), "with EPOLLET the same");
	put(p[1]);
	ok(none(ep), "deaf");
	must(ep_mod(ep, p[0], EPOLLIN | EPOLLET));
	ok(one(ep, EPOLLIN, (uint64_t)p[0]), "MOD without EPOLLONESHOT");
	put(p[1]);
	ok(one(ep, EPOLLIN, (uint64_t)p[0]), "makes it an ordinary one");
	must(ep_mod(ep, p[0], EPOLLIN | EPOLLONESHOT));
	must(ep_del(ep, p[0]));
	ok(none(ep), "DEL of an armed and ready one");
	return tap_done();
}
