/*
 * The random number generator behind getrandom(2), /dev/random, /dev/urandom, TCP's initial
 * sequence numbers and AT_RANDOM.
 *
 * The whole state is a 256-bit key. Each request makes one block of ChaCha20 (RFC 8439, section
 * 2.3) under it: the first half of the block is the new key, the second half is output, or the key
 * of this request's own stream if more is wanted. So whoever learns the state later cannot compute
 * what was given out before.
 *
 * The key starts from RDRAND where the CPU has it, and from the time stamp counter read around work
 * whose duration varies; interrupts then stir in their times. Without RDRAND (QEMU's TCG has it for
 * -cpu max) the start is as good as those times are.
 *
 * Lock: random_lock (irqsave), a leaf, guards the key. irq_pool is per CPU.
 */

#include "kernel/lib/random.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/syscall.h"
#include "kernel/lib/init.h"
#include "kernel/lib/iov.h"
#include "kernel/lib/string.h"
#include "kernel/lib/sysctl.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/signal.h"
#include "kernel/time/ktime.h"

#define GRND_NONBLOCK 0x1u
#define GRND_RANDOM   0x2u
#define GRND_INSECURE 0x4u

#define CPUID_1_ECX_RDRAND BIT(30)

static DEFINE_SPINLOCK(random_lock);
static u32 key[8];  /* [random_lock] */
static bool seeded; /* [random_lock] */

DEFINE_PER_CPU(u64, irq_pool); /* written in hard interrupts of this CPU */
DEFINE_PER_CPU(u32, irq_pool_count);

static u32 rotl(u32 x, int n)
{
	return x << n | x >> (32 - n);
}

static void quarter_round(u32 *a, u32 *b, u32 *c, u32 *d)
{
	*a += *b;
	*d = rotl(*d ^ *a, 16);
	*c += *d;
	*b = rotl(*b ^ *c, 12);
	*a += *b;
	*d = rotl(*d ^ *a, 8);
	*c += *d;
	*b = rotl(*b ^ *c, 7);
}

/* RFC 8439, 2.3: block @counter of the stream under @k, with nonce 0. */
static void chacha20_block(const u32 k[8], u32 counter, u32 out[16])
{
	u32 in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
	u32 *x = out;

	memcpy(in + 4, k, 32);
	in[12] = counter;
	memcpy(x, in, sizeof(in));
	for (int i = 0; i < 10; i++) {
		quarter_round(&x[0], &x[4], &x[8], &x[12]);
		quarter_round(&x[1], &x[5], &x[9], &x[13]);
		quarter_round(&x[2], &x[6], &x[10], &x[14]);
		quarter_round(&x[3], &x[7], &x[11], &x[15]);
		quarter_round(&x[0], &x[5], &x[10], &x[15]);
		quarter_round(&x[1], &x[6], &x[11], &x[12]);
		quarter_round(&x[2], &x[7], &x[8], &x[13]);
		quarter_round(&x[3], &x[4], &x[9], &x[14]);
	}
	for (int i = 0; i < 16; i++)
		x[i] += in[i];
}

static bool rdrand(u64 *v)
{
	bool good = false;

	for (int i = 0; i < 10 && !good; i++)
		__asm__ volatile("rdrand %0" : "=r"(*v), "=@ccc"(good));
	return good;
}

/* Mixes 32 bytes into the key: key = ChaCha20(key ^ data). random_lock held. */
static void mix(const u32 data[8])
{
	u32 block[16];

	for (int i = 0; i < 8; i++)
		key[i] ^= data[i];
	chacha20_block(key, 0, block);
	memcpy(key, block, sizeof(key));
}

/* random_lock held. */
static void seed(void)
{
	u32 r[4];
	bool has_rdrand;

	cpuid(1, 0, r);
	has_rdrand = r[2] & CPUID_1_ECX_RDRAND;
	for (int i = 0; i < 16; i++) {
		u64 in[4] = {rdtsc(), (u64)&r ^ ktime_get_real(), 0, 0};

		if (has_rdrand && rdrand(&in[2]))
			(void)rdrand(&in[3]);
		mix((const u32 *)in); /* its duration is in the next time stamp */
	}
	seeded = true;
}

/* The key of a stream for one request, and a new state. */
static void next_key(u32 out[8])
{
	u32 block[16];
	u64 flags;

	spin_lock_irqsave(&random_lock, flags);
	if (!seeded)
		seed();
	chacha20_block(key, 0, block);
	memcpy(key, block, sizeof(key));
	spin_unlock_irqrestore(&random_lock, flags);
	memcpy(out, block + 8, 32);
}

void get_random_bytes(void *buf, size_t n)
{
	u32 k[8], block[16];

	next_key(k);
	if (n <= sizeof(k)) {
		memcpy(buf, k, n);
		return;
	}
	for (u32 i = 0; n; i++) {
		size_t piece = min(n, sizeof(block));

		chacha20_block(k, i, block);
		memcpy(buf, block, piece);
		buf = (char *)buf + piece;
		n -= piece;
	}
}

u32 get_random_u32(void)
{
	u32 v;

	get_random_bytes(&v, sizeof(v));
	return v;
}

u64 get_random_u64(void)
{
	u64 v;

	get_random_bytes(&v, sizeof(v));
	return v;
}

void add_randomness(const void *data, size_t n)
{
	u64 flags;

	while (n) {
		u64 in[4] = {0};
		size_t piece = min(n, (size_t)24);

		in[3] = rdtsc();
		memcpy(in, data, piece);
		data = (const char *)data + piece;
		n -= piece;
		spin_lock_irqsave(&random_lock, flags);
		mix((const u32 *)in);
		spin_unlock_irqrestore(&random_lock, flags);
	}
}

void add_interrupt_randomness(void)
{
	u64 pool = this_cpu_read(irq_pool);

	pool = (pool << 7 | pool >> 57) ^ rdtsc();
	this_cpu_write(irq_pool, pool);
	this_cpu_inc(irq_pool_count);
	/* Often at first, when little is known; then rarely. */
	if ((this_cpu_read(irq_pool_count) & 1023) == 64)
		add_randomness(&pool, sizeof(pool));
}

SYSCALL_DEFINE3(getrandom, char __user *, buf, size_t, count, unsigned, flags)
{
	u8 block[256];
	size_t done = 0;

	if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if ((flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	count = min(count, (size_t)MAX_RW_COUNT);
	while (done < count) {
		size_t n = min(count - done, sizeof(block));

		get_random_bytes(block, n);
		if (copy_to_user(buf + done, block, n))
			return done ? (long)done : -EFAULT;
		done += n;
		if (signal_pending(current))
			break;
		cond_resched();
	}
	return (long)done;
}

/* ---- /proc/sys/kernel/random, random(4) ---- */

/* A version 4 UUID, RFC 4122: random but for the version and the variant. */
static void show_uuid(struct seq *s, u8 b[16])
{
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	for (int i = 0; i < 16; i++)
		seq_printf(s, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
	seq_printf(s, "\n");
}

static void uuid_show(struct seq *s)
{
	u8 b[16];

	get_random_bytes(b, sizeof(b));
	show_uuid(s, b);
}
PROC_ENTRY(uuid, "sys/kernel/random/uuid", uuid_show);

static u8 boot_id[16]; /* [I] */

static int __init boot_id_init(void)
{
	get_random_bytes(boot_id, sizeof(boot_id));
	return 0;
}
late_initcall(boot_id_init);

static void boot_id_show(struct seq *s)
{
	u8 b[16];

	memcpy(b, boot_id, sizeof(b));
	show_uuid(s, b);
}
PROC_ENTRY(boot_id, "sys/kernel/random/boot_id", boot_id_show);

/* The generator is always ready: all the bits of its key. */
SYSCTL_FIXED(entropy_avail, "sys/kernel/random/entropy_avail", 256);
SYSCTL_FIXED(poolsize, "sys/kernel/random/poolsize", 256);
