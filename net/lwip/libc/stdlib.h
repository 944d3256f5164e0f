/* atoi() of the C library, for lwIP's netif_find(). */
#pragma once

static inline int atoi(const char *s)
{
	int n = 0;

	while (*s >= '0' && *s <= '9')
		n = n * 10 + (*s++ - '0');
	return n;
}
