/* SPDX-License-Identifier: Apache-2.0 */
/* The start of the small guest: of the PVH one, or of a multiboot one, in ELF or by addresses. */
#ifdef PVH
	.section .note.Xen, "a", @note
	.balign	4
	.long	4, 4, 18	/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	_start
#else
#ifdef ADDRESSES
#define FLAGS 0x10003
#else
#define FLAGS 3
#endif
	.section .text.header, "a"
	.balign	4
header:
	.long	0x1badb002, FLAGS, -(0x1badb002 + FLAGS)
#ifdef ADDRESSES
	.long	header, file_start, file_end, all_end, _start
#endif
#endif

	.section .text.start, "ax"
	.globl _start
_start:
	mov	$stack_end, %esp
	push	%ebx
	push	%eax
	call	small_main
1:	hlt
	jmp	1b

	.bss
	.balign	16
	.skip	4096
stack_end:
	.section .note.GNU-stack, "", @progbits
