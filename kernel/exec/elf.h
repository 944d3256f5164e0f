/* ELF programs: System V ABI, "Object Files" and "Program Loading". Used by exec.c. */
#pragma once

#include "kernel/exec/binary.h"

struct elf64_hdr {
	u8 e_ident[16];
	u16 e_type, e_machine;
	u32 e_version;
	u64 e_entry, e_phoff, e_shoff;
	u32 e_flags;
	u16 e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx;
};

struct elf64_phdr {
	u32 p_type, p_flags;
	u64 p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align;
};

/* A file whose headers have been read and found sound. */
struct elf_file {
	struct binary *b;
	struct elf64_hdr eh;
	struct elf64_phdr *ph; /* kmalloc'ed */
	u64 min, max;          /* page-aligned span of the segments, as linked */
	u64 align;             /* largest alignment a segment asks for */
	bool exec_stack;       /* PT_GNU_STACK */
	char *interp;          /* kmalloc'ed path of the dynamic loader, or NULL */
};

/* The same in memory. */
struct elf_image {
	u64 bias;  /* address in memory minus address as linked */
	u64 entry; /* first instruction */
	u64 phdr;  /* where the program headers are, 0 if not mapped */
	u64 end;   /* page-aligned end of the last segment: the heap begins here */
};

/*
 * Reads and checks the headers; elf_free() in any case. 0, -ENOEXEC, -ENOMEM, errors of reading; -EIO
 * if the file ends before its header or the interpreter's name does.
 */
int elf_read(struct binary *b, struct elf_file *f);
void elf_free(struct elf_file *f);
/*
 * Maps the segments into current's address space: ET_EXEC where it was linked, a position-independent
 * file at @base or, with 0, where there is room. 0 or -errno; what is mapped stays.
 */
int elf_map(const struct elf_file *f, u64 base, struct elf_image *img);
