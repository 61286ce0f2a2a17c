//! What tests run inside a container to learn what it may do: one static program, one question per call.
//!
//! ```text
//! probe syscall NAME...   one line each: `NAME ok` or `NAME ERRNO`
//! probe memory MEBIBYTES  touches so much memory, then prints `touched`
//! probe forks COUNT       starts so many processes at once, prints how many it got
//! probe fds               one line for each open descriptor from 3 on
//! probe tiocsti           pushes a character into the terminal's input
//! probe hold              waits for SIGTERM, then prints `graceful` and ends with 0
//! probe ignore            ignores SIGTERM and sleeps
//! probe udp PORT          answers each datagram with the same bytes
//! probe caller PORT       tells each caller its address
//! probe flood ADDRESS KIND COUNT   makes so many connections at once that say `noise`, `http` (in the clear), `hello` (the start
//!                         of a TLS handshake) or nothing (`silent`: they stay for two seconds), prints how many it made
//! ```

mod flood;

use std::io::Write;
use std::process::exit;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["syscall", names @ ..] => names
            .iter()
            .for_each(|name| println!("{name} {}", syscall(name))),
        ["memory", mebibytes] => memory(mebibytes.parse().expect("a number of mebibytes")),
        ["forks", count] => println!("{}", forks(count.parse().expect("a number of processes"))),
        ["fds"] => fds(),
        ["tiocsti"] => println!("{}", outcome(push_character())),
        ["hold"] => hold(),
        ["ignore"] => ignore(),
        ["caller", port] => caller(port.parse().expect("a port")),
        ["flood", address, kind, count] => flood::flood(
            address.parse().expect("an address"),
            kind,
            count.parse().expect("a number of connections"),
        ),
        ["udp", port] => udp(port.parse().expect("a port")),
        _ => {
            eprintln!("probe: unknown question: {}", arguments.join(" "));
            exit(64);
        }
    }
}

/// Calls `name` with arguments that are harmless where it is allowed, and tell `refused by the filter` from other failures.
fn syscall(name: &str) -> String {
    let zero = 0_usize;
    let bad = usize::MAX;
    // (number, arguments): invalid ones where the call would change something.
    let (number, arguments) = match name {
        "getpid" => (libc::SYS_getpid, [zero; 6]),
        "unshare-user" => (
            libc::SYS_unshare,
            [libc::CLONE_NEWUSER as usize, 0, 0, 0, 0, 0],
        ),
        "unshare-mount" => (
            libc::SYS_unshare,
            [libc::CLONE_NEWNS as usize, 0, 0, 0, 0, 0],
        ),
        "clone3" => (libc::SYS_clone3, [zero; 6]),
        "setns" => (libc::SYS_setns, [bad, 0, 0, 0, 0, 0]),
        "mount" => (libc::SYS_mount, [zero; 6]),
        "umount2" => (libc::SYS_umount2, [zero; 6]),
        "pivot_root" => (libc::SYS_pivot_root, [zero; 6]),
        "keyctl" => (libc::SYS_keyctl, [zero; 6]),
        "add_key" => (libc::SYS_add_key, [zero; 6]),
        "request_key" => (libc::SYS_request_key, [zero; 6]),
        "bpf" => (libc::SYS_bpf, [bad, 0, 0, 0, 0, 0]),
        "perf_event_open" => (libc::SYS_perf_event_open, [zero; 6]),
        "userfaultfd" => (libc::SYS_userfaultfd, [bad, 0, 0, 0, 0, 0]),
        "io_uring_setup" => (libc::SYS_io_uring_setup, [zero; 6]),
        "kexec_load" => (libc::SYS_kexec_load, [bad, bad, 0, bad, 0, 0]),
        "init_module" => (libc::SYS_init_module, [zero; 6]),
        "delete_module" => (libc::SYS_delete_module, [zero; 6]),
        "reboot" => (libc::SYS_reboot, [zero; 6]),
        "swapon" => (libc::SYS_swapon, [zero; 6]),
        "settimeofday" => (libc::SYS_settimeofday, [bad, bad, 0, 0, 0, 0]),
        "ptrace" => (libc::SYS_ptrace, [bad, bad, 0, 0, 0, 0]),
        "process_vm_readv" => (libc::SYS_process_vm_readv, [bad, 0, 0, 0, 0, 0]),
        "open_by_handle_at" => (libc::SYS_open_by_handle_at, [bad, 0, 0, 0, 0, 0]),
        "name_to_handle_at" => (libc::SYS_name_to_handle_at, [bad, 0, 0, 0, 0, 0]),
        "quotactl" => (libc::SYS_quotactl, [bad, 0, 0, 0, 0, 0]),
        "acct" => (libc::SYS_acct, [bad, 0, 0, 0, 0, 0]),
        "personality-query" => (libc::SYS_personality, [0xffff_ffff, 0, 0, 0, 0, 0]),
        "personality-odd" => (libc::SYS_personality, [0x0040_0000, 0, 0, 0, 0, 0]),
        "socket-vsock" => (libc::SYS_socket, [40, 1, 0, 0, 0, 0]),
        "chroot" => (libc::SYS_chroot, [zero; 6]),
        "sethostname" => (libc::SYS_sethostname, [bad, bad, 0, 0, 0, 0]),
        other => {
            eprintln!("probe: unknown system call: {other}");
            exit(64);
        }
    };
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: every row above passes integers, null pointers or addresses that the kernel refuses; none makes it write into us.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    outcome(if result < 0 {
        Err(std::io::Error::last_os_error())
    } else {
        Ok(())
    })
}

fn outcome(result: std::io::Result<()>) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(error) => match error.raw_os_error() {
            Some(libc::EPERM) => "EPERM".to_owned(),
            Some(libc::ENOSYS) => "ENOSYS".to_owned(),
            Some(libc::EFAULT) => "EFAULT".to_owned(),
            Some(libc::EINVAL) => "EINVAL".to_owned(),
            Some(libc::EBADF) => "EBADF".to_owned(),
            Some(libc::ENOTTY) => "ENOTTY".to_owned(),
            Some(libc::EIO) => "EIO".to_owned(),
            other => format!("errno {}", other.unwrap_or(0)),
        },
    }
}

fn memory(mebibytes: usize) {
    let mut blocks = Vec::new();
    for _ in 0..mebibytes {
        blocks.push(vec![1_u8; 1 << 20]);
    }
    println!("touched {}", blocks.len());
}

fn forks(count: usize) -> usize {
    let mut children = Vec::new();
    for _ in 0..count {
        // SAFETY: this program has one thread, so the child may go on as it likes; it only waits.
        match unsafe { libc::fork() } {
            0 => loop {
                // SAFETY: pause touches no memory.
                unsafe { libc::pause() };
            },
            child if child > 0 => children.push(child),
            _ => break,
        }
    }
    for child in &children {
        // SAFETY: these are our children and not reaped yet.
        unsafe {
            libc::kill(*child, libc::SIGKILL);
            libc::waitpid(*child, std::ptr::null_mut(), 0);
        }
    }
    children.len()
}

fn fds() {
    for entry in std::fs::read_dir("/proc/self/fd")
        .expect("/proc is mounted")
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let target = std::fs::read_link(entry.path())
            .map(|path| path.display().to_string())
            .unwrap_or_default();
        // The listing's own descriptor is not one that was handed down.
        if name.parse::<i32>().is_ok_and(|number| number > 2) && !target.ends_with("/fd") {
            println!("{name} {target}");
        }
    }
}

fn push_character() -> std::io::Result<()> {
    let character = b'x';
    // SAFETY: TIOCSTI reads one byte from a pointer that is valid for the call.
    let result = unsafe { libc::ioctl(0, libc::TIOCSTI, &raw const character) };
    if result < 0 {
        Err(std::io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn hold() {
    extern "C" fn graceful(_: i32) {
        let text = b"graceful\n";
        // SAFETY: write and _exit may be called from a signal handler; the buffer is static.
        unsafe {
            libc::write(1, text.as_ptr().cast(), text.len());
            libc::_exit(0);
        }
    }
    let handler: extern "C" fn(i32) = graceful;
    // SAFETY: the handler calls nothing but what a signal handler may.
    unsafe { libc::signal(libc::SIGTERM, handler as libc::sighandler_t) };
    println!("ready");
    std::io::stdout().flush().expect("standard output");
    loop {
        // SAFETY: pause touches no memory.
        unsafe { libc::pause() };
    }
}

fn ignore() {
    // SAFETY: ignoring a signal installs no code.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
    println!("ready");
    std::io::stdout().flush().expect("standard output");
    loop {
        std::thread::sleep(std::time::Duration::from_secs(3600));
    }
}

fn caller(port: u16) {
    let listener = std::net::TcpListener::bind(("0.0.0.0", port)).expect("bind the port");
    println!("ready");
    std::io::stdout().flush().expect("standard output");
    for mut stream in listener.incoming().flatten() {
        let from = stream
            .peer_addr()
            .map(|address| address.ip().to_string())
            .unwrap_or_default();
        let _ = writeln!(stream, "{from}");
    }
}

fn udp(port: u16) {
    let socket = std::net::UdpSocket::bind(("0.0.0.0", port)).expect("bind the port");
    println!("ready");
    std::io::stdout().flush().expect("standard output");
    let mut datagram = [0; 2048];
    loop {
        if let Ok((length, from)) = socket.recv_from(&mut datagram) {
            let _ = socket.send_to(&datagram[..length], from);
        }
    }
}
