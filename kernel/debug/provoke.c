/*
 * An error of each kind that the sanitizers know (tests/qemu/test_sanitizers.py expects their
 * reports). volatile and hide() keep the compiler from seeing what is wrong, and from removing it.
 */
#include "kernel/debug/provoke.h"

#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/mm/vmalloc.h"

/* The same value, of which the compiler knows nothing. */
#define hide(x) \
	({ \
		typeof(x) _x = (x); \
		__asm__ volatile("" : "+r"(_x)); \
		_x; \
	})

/* Reads or writes one byte. */
static noinline u8 peek(const volatile void *p)
{
	return *(const volatile u8 *)p;
}

static noinline void poke(volatile void *p)
{
	*(volatile u8 *)p = 1;
}

/* ---- slab ---- */

PROVOKE(slab_read)
{
	char *p = kmalloc(40, GFP_KERNEL);

	peek(p + 40);
}

PROVOKE(slab_write)
{
	char *p = kmalloc(100, GFP_KERNEL);

	poke(p + 101);
}

PROVOKE(slab_before)
{
	char *p = kmalloc(64, GFP_KERNEL);

	poke(p - 1);
}

PROVOKE(slab_word_over_the_end)
{
	volatile u64 *p = kmalloc(20, GFP_KERNEL);

	p[2] = 1;
}

PROVOKE(slab_memset)
{
	char *p = kmalloc(50, GFP_KERNEL);

	memset(p, 0, hide(51ul));
}

PROVOKE(slab_memcpy)
{
	char *p = kmalloc(200, GFP_KERNEL), *q = kmalloc(100, GFP_KERNEL);

	memcpy(p, q, hide(200ul));
}

PROVOKE(slab_use_after_free)
{
	char *p = kmalloc(64, GFP_KERNEL);

	kfree(p);
	peek(hide(p) + 8);
}

PROVOKE(slab_double_free)
{
	char *p = kmalloc(64, GFP_KERNEL);

	kfree(p);
	kfree(hide(p));
}

PROVOKE(slab_invalid_free)
{
	char *p = kmalloc(64, GFP_KERNEL);

	kfree(hide(p) + 16);
}

PROVOKE(cache_use_after_free)
{
	struct kmem_cache *c = kmem_cache_create("provoked", 48, 0);
	char *p = kmem_cache_alloc(c, GFP_KERNEL);

	kmem_cache_free(c, p);
	poke(hide(p));
}

PROVOKE(copy_from_user_too_much)
{
	char *p = kmalloc(16, GFP_KERNEL);

	printk("%zu\n", copy_from_user(p, (void __user *)MMAP_MIN_ADDR, hide(17ul)));
}

/* ---- pages ---- */

PROVOKE(large_out_of_bounds)
{
	char *p = kmalloc(20000, GFP_KERNEL);

	peek(p + 20000);
}

PROVOKE(page_use_after_free)
{
	char *p = get_free_page(GFP_KERNEL);

	free_page(p);
	poke(hide(p) + 100);
}

PROVOKE(vmalloc_out_of_bounds)
{
	char *p = vmalloc(5000);

	peek(p + 5000);
}

PROVOKE(wild)
{
	poke((void *)hide(VMALLOC_START + (200ul << 30)));
}

PROVOKE(null)
{
	peek((void *)hide(24ul));
}

/* ---- stacks and globals ---- */

PROVOKE(stack_out_of_bounds)
{
	char local[10];
	char *p = hide(&local[0]);

	memset(p, 0, 10);
	peek(p + 10);
}

PROVOKE(stack_use_after_scope)
{
	char *p;

	{
		char local[32];

		memset(local, 0, sizeof(local));
		p = hide(&local[0]);
	}
	peek(p);
}

static char global[13];

PROVOKE(global_out_of_bounds)
{
	char *p = hide(&global[0]);

	poke(p);
	peek(p + 13);
}

/* ---- undefined behaviour ---- */

PROVOKE(shift_overflow)
{
	printk("%d\n", hide(1) << hide(33));
}

PROVOKE(shift_negative)
{
	printk("%d\n", hide(1) >> hide(-1));
}

PROVOKE(integer_overflow)
{
	printk("%d\n", hide(0x7fffffff) + hide(1));
}

PROVOKE(divide)
{
	printk("%d\n", (int)hide(-0x7fffffff - 1) / hide(-1));
}

static int array[8];

PROVOKE(array_bounds)
{
	printk("%d\n", array[hide(8)]);
}

PROVOKE(bool_value)
{
	u8 two = hide(2);
	bool b;

	memcpy(&b, &two, 1);
	printk("%d\n", b ? 5 : 6);
}

PROVOKE(unreachable)
{
	if (hide(1))
		__builtin_unreachable();
}

/* ---- the table ---- */

extern const struct provoke __provokes_start[], __provokes_end[];

static int provoke_init(void)
{
	char name[48];

	if (!cmdline_get("provoke", name, sizeof(name)))
		return 0;
	for (const struct provoke *p = __provokes_start; p < __provokes_end; p++) {
		if (strcmp(p->name, name))
			continue;
		printk("provoke: %s\n", name);
		p->fn();
		printk("provoke: nobody has noticed %s\n", name);
		return 0;
	}
	printk("provoke: there is no %s\n", name);
	return 0;
}
late_initcall(provoke_init);
