/* Memory and strings, as in C11's <string.h>. memcpy and memset use wide moves, not rep prefixes. */
#pragma once

#include "kernel/lib/types.h"

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *s, const char *needle);
/* Copies at most size - 1 bytes and ends with NUL; returns the length stored or -E2BIG. */
ssize_t strscpy(char *dst, const char *src, size_t size);
/* Reads a number in @base (0: by prefix) from the whole of @s; 0, -EINVAL or -ERANGE. */
int kstrtoul(const char *s, int base, unsigned long *out);
