/* The shared object: part.c. */
#pragma once

extern void *part_data[2];     /* the second is the address of the first */
extern const char part_text[]; /* copied into a program with a fixed address */
extern __thread int part_tls;  /* 100 in each thread */
void ***part_pointer(void);    /* where the library keeps the address of part_data */
const char *part_name(const char *text);
int part_counter(void); /* constructors that have run */
int next_tls(void);     /* 101, 102 ...: a count for each thread */
