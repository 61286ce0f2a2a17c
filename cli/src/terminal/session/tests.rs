use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::thread;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::*;

/// A session over pipes; `container` plays the other side of the channel.
fn session(
    typed: &[u8],
    setup: Setup,
    container: impl FnOnce(Channel) + Send + 'static,
) -> (Ended, Vec<u8>, Vec<u8>, Vec<Signal>) {
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .unwrap();
    let (input, mut keyboard) = pipe();
    let (mut screen, output) = pipe();
    let (mut error_screen, errors) = pipe();
    keyboard.write_all(typed).unwrap();
    drop(keyboard);
    let other_side = thread::spawn(|| container(Channel::new(theirs)));
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        screen.read_to_end(&mut text).unwrap();
        text
    });
    let mut signals = Signals::watch().unwrap();
    let mut passed_on = Vec::new();
    let streams = Streams {
        input: input.as_fd(),
        output: output.as_fd(),
        errors: errors.as_fd(),
    };
    let ended = relay(
        Channel::new(ours),
        streams,
        &setup,
        &mut signals,
        |signal| passed_on.push(signal),
    )
    .unwrap();
    drop((output, errors));
    other_side.join().unwrap();
    let mut error_text = Vec::new();
    error_screen.read_to_end(&mut error_text).unwrap();
    (ended, reader.join().unwrap(), error_text, passed_on)
}

fn pipe() -> (File, File) {
    let (read, write): (OwnedFd, OwnedFd) = nix::unistd::pipe().unwrap();
    (read.into(), write.into())
}

fn setup(stdin: bool, tty: bool) -> Setup {
    Setup {
        stdin,
        tty,
        detach_keys: DetachKeys::default(),
        proxy_signals: true,
    }
}

/// Waits for the next packet.
fn next(channel: &mut Channel) -> Packet {
    loop {
        if let Some(packet) = channel.receive().unwrap() {
            return packet;
        }
        thread::yield_now();
    }
}

/// Sends a packet, waiting for room.
fn put(channel: &mut Channel, packet: &Packet) {
    while channel.send(packet).unwrap() == Sent::Later {
        thread::yield_now();
    }
}

#[test]
fn input_goes_in_output_comes_out_and_the_code_is_told() {
    let (ended, out, err, _) = session(b"hello", setup(true, false), |mut channel| {
        assert_eq!(next(&mut channel), Packet::Stdin(b"hello".to_vec()));
        assert_eq!(next(&mut channel), Packet::Stdin(Vec::new()));
        put(&mut channel, &Packet::Stdout(b"out".to_vec()));
        put(&mut channel, &Packet::Stderr(b"err".to_vec()));
        put(&mut channel, &Packet::Exit(7));
    });
    assert_eq!(ended, Ended::Exited(Some(7)));
    assert_eq!((out.as_slice(), err.as_slice()), (&b"out"[..], &b"err"[..]));
}

#[test]
fn much_output_arrives_whole_and_in_order() {
    let (ended, out, ..) = session(b"", setup(false, false), |mut channel| {
        for number in 0..200u32 {
            put(&mut channel, &Packet::Stdout(vec![number as u8; 20_000]));
        }
        put(&mut channel, &Packet::Exit(0));
    });
    assert_eq!(ended, Ended::Exited(Some(0)));
    assert_eq!(out.len(), 200 * 20_000);
    assert!(
        out.chunks(20_000)
            .zip(0u32..)
            .all(|(chunk, number)| chunk.iter().all(|byte| *byte == number as u8))
    );
}

#[test]
fn the_detach_keys_leave_and_are_not_passed_on() {
    let (ended, ..) = session(b"ls\x10\x11", setup(true, true), |mut channel| {
        let mut typed = Vec::new();
        loop {
            match next(&mut channel) {
                Packet::Stdin(bytes) => typed.extend(bytes),
                Packet::Closed => break,
                other => panic!("{other:?}"),
            }
        }
        assert!(b"ls".starts_with(&typed), "{typed:?}");
    });
    assert_eq!(ended, Ended::Detached);
}

#[test]
fn without_a_terminal_the_keys_are_bytes_as_others() {
    let (ended, ..) = session(b"\x10\x11", setup(true, false), |mut channel| {
        assert_eq!(next(&mut channel), Packet::Stdin(b"\x10\x11".to_vec()));
        put(&mut channel, &Packet::Exit(0));
    });
    assert_eq!(ended, Ended::Exited(Some(0)));
}

#[test]
fn a_side_that_closes_without_a_code_is_told_apart() {
    let (ended, ..) = session(b"", setup(false, false), drop);
    assert_eq!(ended, Ended::Exited(None));
}

#[test]
fn a_terminal_tells_its_size_first() {
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .unwrap();
    let size = nix::pty::Winsize {
        ws_row: 33,
        ws_col: 101,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let terminal = nix::pty::openpty(Some(&size), None).unwrap();
    let other_side = thread::spawn(move || {
        let mut channel = Channel::new(theirs);
        // The other end sees a type it only ever sends, so that the bytes are looked at as they are.
        let mut bytes = [0; 16];
        let count = nix::unistd::read(channel.as_fd(), &mut bytes).unwrap();
        put(&mut channel, &Packet::Exit(0));
        bytes[..count].to_vec()
    });
    let mut signals = Signals::watch().unwrap();
    let streams = Streams {
        input: terminal.slave.as_fd(),
        output: terminal.slave.as_fd(),
        errors: terminal.slave.as_fd(),
    };
    let ended = relay(
        Channel::new(ours),
        streams,
        &setup(true, true),
        &mut signals,
        |_| (),
    )
    .unwrap();
    assert_eq!(ended, Ended::Exited(Some(0)));
    assert_eq!(other_side.join().unwrap(), [3, 33, 0, 101, 0]);
}
