//! Classic BPF over `struct seccomp_data`: the few instructions that a filter needs, and blocks that follow one another.
//!
//! Each block is position-independent and ends every path in a `ret` or falls off its end, so blocks are put together
//! by concatenation.

use libc::sock_filter;

/// Offsets in `struct seccomp_data` (seccomp(2)).
pub(super) const NUMBER: u32 = 0;
pub(super) const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// The kernel accepts no longer program (BPF_MAXINSNS).
pub(super) const LONGEST: usize = 4096;

const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
pub(super) const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
pub(super) const IF_GREATER: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
pub(super) const IF_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;

/// Loads the word at this offset.
pub(super) fn load(offset: u32) -> sock_filter {
    sock_filter {
        code: LOAD_WORD,
        jt: 0,
        jf: 0,
        k: offset,
    }
}

/// Loads the upper half of an argument.
pub(super) fn load_high(argument: u32) -> sock_filter {
    load(ARGUMENTS + 8 * argument + if cfg!(target_endian = "little") { 4 } else { 0 })
}

/// Loads the lower half of an argument.
pub(super) fn load_low(argument: u32) -> sock_filter {
    load(ARGUMENTS + 8 * argument + if cfg!(target_endian = "little") { 0 } else { 4 })
}

/// Ends with this verdict.
pub(super) fn verdict(value: u32) -> sock_filter {
    sock_filter {
        code: RETURN,
        jt: 0,
        jf: 0,
        k: value,
    }
}

/// Keeps these bits of what was loaded.
pub(super) fn mask(bits: u32) -> sock_filter {
    sock_filter {
        code: AND,
        jt: 0,
        jf: 0,
        k: bits,
    }
}

/// Compares what was loaded, and skips so many instructions when it holds or doesn't.
pub(super) fn test(code: u16, value: u32, skip_if: u8, skip_else: u8) -> sock_filter {
    sock_filter {
        code,
        jt: skip_if,
        jf: skip_else,
        k: value,
    }
}

/// `then` when the comparison holds, else `otherwise`; each must end in a verdict, since the one follows the other.
pub(super) fn branch(
    code: u16,
    value: u32,
    then: Vec<sock_filter>,
    otherwise: Vec<sock_filter>,
) -> Vec<sock_filter> {
    let mut block = Vec::with_capacity(then.len() + otherwise.len() + 2);
    match u8::try_from(otherwise.len()) {
        Ok(short) => block.push(test(code, value, short, 0)),
        // A conditional jump reaches 255 instructions, an unconditional one all.
        Err(_) => {
            block.push(test(code, value, 0, 1));
            block.push(sock_filter {
                code: JUMP,
                jt: 0,
                jf: 0,
                k: otherwise.len() as u32,
            });
        }
    }
    block.extend(otherwise);
    block.extend(then);
    block
}

/// What the kernel does with a program, for the tests.
#[cfg(test)]
pub(super) fn run(program: &[sock_filter], architecture: u32, number: u32, args: [u64; 6]) -> u32 {
    let word = |offset: u32| match offset {
        NUMBER => number,
        ARCHITECTURE => architecture,
        _ => {
            let place = offset - ARGUMENTS;
            let shift = if place.is_multiple_of(8) { 0 } else { 32 };
            (args[(place / 8) as usize] >> shift) as u32
        }
    };
    let (mut accumulator, mut at) = (0u32, 0usize);
    loop {
        let step = program[at];
        at += 1;
        let skip = |holds: bool| if holds { step.jt } else { step.jf } as usize;
        match step.code {
            LOAD_WORD => accumulator = word(step.k),
            RETURN => return step.k,
            AND => accumulator &= step.k,
            JUMP => at += step.k as usize,
            IF_EQUAL => at += skip(accumulator == step.k),
            IF_GREATER => at += skip(accumulator > step.k),
            IF_AT_LEAST => at += skip(accumulator >= step.k),
            other => panic!("instruction {other:#x}"),
        }
    }
}
