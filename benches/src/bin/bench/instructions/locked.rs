//! How many of the executed instructions lock a cache line: those with a lock prefix, and exchanges
//! with memory, which lock without one.
//!
//! What one costs depends on who had the line before, which two cores cannot show for sixty-four;
//! how many there are is the same on any machine. Callgrind gives the address of each instruction
//! that ran, and how often; the bytes at the address, in the file that it was loaded from, say what
//! it is.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use object::{Object, ObjectSection, SectionKind};

/// Whether the code is of a processor whose instructions are told apart here.
const IS_SUPPORTED: bool = cfg!(target_arch = "x86_64");

/// Prefixes of an instruction: operand and address size, segments, repetition, and lock.
const PREFIXES: [u8; 11] = [
    0x66, 0x67, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0xF2, 0xF3, LOCK,
];
const LOCK: u8 = 0xF0;
/// The longest instruction.
const LONGEST: usize = 15;

/// How often each instruction ran, by its address, by the file that it is in.
type Executions<'a> = BTreeMap<&'a str, BTreeMap<u64, u64>>;

/// The locked instructions of a profile that callgrind wrote with `--dump-instr=yes` and without
/// compression. `None` on a processor whose instructions are not told apart.
pub(super) fn count(profile: &str) -> Result<Option<u64>> {
    if !IS_SUPPORTED {
        return Ok(None);
    }
    let mut count = 0;
    for (file, executions) in executions(profile) {
        count += count_in(file, &executions).with_context(|| file.to_owned())?;
    }
    Ok(Some(count))
}

/// Code that is in no file, such as the kernel's page, has none.
fn count_in(file: &str, executions: &BTreeMap<u64, u64>) -> Result<u64> {
    let Ok(bytes) = fs::read(file) else {
        return Ok(0);
    };
    let object = object::File::parse(bytes.as_slice())?;
    let mut count = 0;
    for section in object
        .sections()
        .filter(|it| it.kind() == SectionKind::Text)
    {
        let code = section.data()?;
        let start = section.address();
        let inside = executions.range(start..start + section.size());
        for (address, times) in inside {
            let place = usize::try_from(address - start)?;
            if code.get(place..).is_some_and(locks) {
                count += times;
            }
        }
    }
    Ok(count)
}

/// An instruction's line is its address, its line in the source, and how often it ran. The line
/// after a call tells what the callee cost, and is not the caller's.
fn executions(profile: &str) -> Executions<'_> {
    let mut executions = Executions::new();
    let mut file = "";
    let mut is_after_call = false;
    for line in profile.lines() {
        if let Some(name) = line.strip_prefix("ob=") {
            file = name;
        }
        let of_callee = std::mem::replace(&mut is_after_call, line.starts_with("calls="));
        if let (Some((address, times)), false) = (execution(line), of_callee) {
            let of_file = executions.entry(file).or_default();
            *of_file.entry(address).or_default() += times;
        }
    }
    executions
}

fn execution(line: &str) -> Option<(u64, u64)> {
    let mut numbers = line.strip_prefix("0x")?.split_whitespace();
    let address = u64::from_str_radix(numbers.next()?, 16).ok()?;
    Some((address, numbers.nth(1)?.parse().ok()?))
}

/// Whether the instruction that begins here locks a line.
fn locks(code: &[u8]) -> bool {
    let code = &code[..code.len().min(LONGEST)];
    let is_prefix = |byte: &&u8| PREFIXES.contains(byte);
    let (prefixes, rest) = code.split_at(code.iter().take_while(is_prefix).count());
    let rest = match rest {
        // The prefix of wide registers.
        [0x40..=0x4F, rest @ ..] => rest,
        rest => rest,
    };
    // `xchg`; the upper two bits of the second byte are set if both operands are registers.
    let exchanges = matches!(rest, [0x86 | 0x87, operands, ..] if operands >> 6 != 0b11);
    prefixes.contains(&LOCK) || exchanges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_locks_is_told_from_what_does_not() {
        let locked: [(&str, &[u8]); 4] = [
            ("lock cmpxchg %rcx,(%rdi)", &[0xF0, 0x48, 0x0F, 0xB1, 0x0F]),
            ("lock decw (%rdi)", &[0x66, 0xF0, 0xFF, 0x0F]),
            ("xchg %al,(%rdi)", &[0x86, 0x07]),
            ("xchg %rax,0x8(%r14)", &[0x49, 0x87, 0x46, 0x08]),
        ];
        for (name, code) in locked {
            assert!(locks(code), "{name}");
        }
        let others: [(&str, &[u8]); 4] = [
            ("xchg %ax,%ax", &[0x66, 0x90]),
            ("xchg %rbx,%rcx", &[0x48, 0x87, 0xD9]),
            ("mov $0xf0,%al", &[0xB0, 0xF0]),
            ("nothing", &[]),
        ];
        for (name, code) in others {
            assert!(!locks(code), "{name}");
        }
    }

    #[test]
    fn an_instruction_counts_where_it_ran_and_not_where_it_was_called_from() {
        let profile = "\
events: Ir
ob=/bin/one
fn=main
0x10 5 3
cob=/lib/two
cfn=callee
calls=2 0x99 7
0x14 5 900
0x14 5 2
fn=other
0x10 5 1
ob=/lib/two
0x99 7 2
totals: 1";
        let executions = executions(profile);
        assert_eq!(
            executions["/bin/one"],
            BTreeMap::from([(0x10, 4), (0x14, 2)])
        );
        assert_eq!(executions["/lib/two"], BTreeMap::from([(0x99, 2)]));
    }

    #[test]
    fn code_without_a_file_counts_for_nothing() {
        let count = count("ob=???\n0x10 0 3\n").unwrap();
        assert_eq!(count.unwrap_or_default(), 0);
    }
}
