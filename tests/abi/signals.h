/* Handlers and masks in a line, for the tests of signals. */
#pragma once

#include <signal.h>

static inline void install(int sig, void (*fn)(int), int flags)
{
	struct sigaction sa = {.sa_handler = fn, .sa_flags = flags};

	must(sigaction(sig, &sa, NULL));
}

static inline void install_info(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = {.sa_sigaction = fn, .sa_flags = flags | SA_SIGINFO};

	must(sigaction(sig, &sa, NULL));
}

static inline void block(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	must(sigprocmask(how, &set, NULL));
}

static inline bool is_blocked(int sig)
{
	sigset_t set;

	must(sigprocmask(SIG_BLOCK, NULL, &set));
	return sigismember(&set, sig);
}
