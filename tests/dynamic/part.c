/* A shared object with all that a loader has to see to: relocations, thread-local data, a constructor. */
#include "tests/dynamic/part.h"

void *part_data[2] = {0, &part_data[0]};
const char part_text[] = "part";
__thread int part_tls = 100;

static void **pointer = part_data;
static int counter;
static __thread int own = 100;

__attribute__((constructor)) static void construct(void)
{
	counter++;
}

void ***part_pointer(void)
{
	return &pointer;
}

const char *part_name(const char *text)
{
	return text == part_text ? part_text : "other";
}

int part_counter(void)
{
	return counter;
}

int next_tls(void)
{
	return ++own;
}
