/* SPDX-License-Identifier: Apache-2.0 */
	.section .text.start, "ax"
	.globl _start
_start:
	lea	stack_end(%rip), %rsp
	mov	%rsi, %rdi
	call	guest_main
1:	hlt
	jmp	1b

	.bss
	.balign	16
	.skip	16384
stack_end:
	.section .note.GNU-stack, "", @progbits
