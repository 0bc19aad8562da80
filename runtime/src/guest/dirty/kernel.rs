//! Dirty pages as Linux tracks them (6.7 and later): userfaultfd in its asynchronous write-protect mode, and a scan of the
//! process's page map that lists the pages written and protects them again in one step.
//!
//! Nobody reads the userfaultfd: the kernel itself lifts the protection of a page at its first write. A page that has never
//! been written counts as written once when its memory first becomes accessible. All unsafe code of tracking is here.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::ffi::c_void;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};
use rustix::mm::{UserfaultfdFlags, userfaultfd};

use super::PAGE_BYTES;

/// `UFFD_USER_MODE_ONLY`: allowed without privileges.
const USER_MODE_ONLY: u32 = 1;
const UFFD_API: u64 = 0xaa;
/// `UFFD_FEATURE_PAGEFAULT_FLAG_WP`, `UFFD_FEATURE_WP_UNPOPULATED`, `UFFD_FEATURE_WP_ASYNC`.
const FEATURES: u64 = 1 | 1 << 13 | 1 << 15;
/// `UFFDIO_REGISTER_MODE_WP`.
const MODE_WRITE_PROTECT: u64 = 2;
/// `PM_SCAN_WP_MATCHING`, `PM_SCAN_CHECK_WPASYNC`.
const PROTECT_AGAIN_AND_CHECK: u64 = 1 | 2;
/// `PAGE_IS_WRITTEN`.
const IS_WRITTEN: u64 = 2;
/// Runs of pages per scan; more take another call.
const RUNS_MAX: usize = 4096;

#[repr(C)]
struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
struct Register {
    start: u64,
    bytes: u64,
    mode: u64,
    ioctls: u64,
}

/// A run of pages, half-open.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Run {
    start: u64,
    end: u64,
    categories: u64,
}

/// `struct pm_scan_arg`.
#[repr(C)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    runs: u64,
    runs_max: u64,
    pages_max: u64,
    inverted: u64,
    all_of: u64,
    any_of: u64,
    returned: u64,
}

/// A call that reads and writes `T`, and returns a number.
struct Call<'t, T> {
    opcode: Opcode,
    argument: &'t mut T,
}

// SAFETY: `as_ptr` points at a live, exclusively borrowed `T`, and every opcode used below reads and writes exactly that
// `repr(C)` structure; what the kernel is told to fill besides (`Scan::runs`) is alive and long enough during the call.
unsafe impl<T> Ioctl for Call<'_, T> {
    type Output = usize;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        self.opcode
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::from_mut(self.argument).cast()
    }

    unsafe fn output_from_ptr(returned: IoctlOutput, _: *mut c_void) -> rustix::io::Result<usize> {
        Ok(usize::try_from(returned).unwrap_or(0))
    }
}

/// Tracks one range of addresses.
pub(crate) struct Tracker {
    start: u64,
    page_map: File,
    /// Tracking ends when it is closed.
    _registered: OwnedFd,
    runs: Vec<Run>,
}

impl Tracker {
    /// Tracks the addresses from `start` on. What is mapped there must stay mapped, or be given up for good.
    pub(super) fn new(start: *const u8, reserved_bytes: u64) -> io::Result<Self> {
        if rustix::param::page_size() != PAGE_BYTES {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::NONBLOCK;
        let flags = flags | UserfaultfdFlags::from_bits_retain(USER_MODE_ONLY);
        // SAFETY: only asynchronous write protection is asked of it, which changes no memory that anyone can see.
        let registered = unsafe { userfaultfd(flags) }?;
        let mut api = Api { api: UFFD_API, features: FEATURES, ioctls: 0 };
        let call = Call { opcode: opcode::read_write::<Api>(UFFD_API as u8, 0x3f), argument: &mut api };
        // SAFETY: see `Call`.
        unsafe { ioctl(&registered, call) }?;
        let start = start.addr() as u64;
        let mut register = Register { start, bytes: reserved_bytes, mode: MODE_WRITE_PROTECT, ioctls: 0 };
        let call = Call { opcode: opcode::read_write::<Register>(UFFD_API as u8, 0), argument: &mut register };
        // SAFETY: see `Call`. Pages of the range behave as before, save that their first write is noted.
        unsafe { ioctl(&registered, call) }?;
        let page_map = File::open("/proc/self/pagemap")?;
        Ok(Self { start, page_map, _registered: registered, runs: vec![Run::default(); RUNS_MAX] })
    }

    /// The pages among the first `bytes` written since the last call, ascending.
    pub(super) fn take(&mut self, bytes: u64) -> io::Result<Vec<u32>> {
        let mut pages = Vec::new();
        let (mut at, end) = (self.start, self.start + bytes);
        while at < end {
            let mut scan = Scan {
                size: size_of::<Scan>() as u64,
                flags: PROTECT_AGAIN_AND_CHECK,
                start: at,
                end,
                walk_end: 0,
                runs: self.runs.as_mut_ptr().expose_provenance() as u64,
                runs_max: RUNS_MAX as u64,
                pages_max: 0,
                inverted: 0,
                all_of: IS_WRITTEN,
                any_of: 0,
                returned: IS_WRITTEN,
            };
            let call = Call { opcode: opcode::read_write::<Scan>(b'f', 16), argument: &mut scan };
            // SAFETY: see `Call`; `runs` has room for `runs_max` runs.
            let found = unsafe { ioctl(&self.page_map, call) }?;
            let number = |address: u64| ((address - self.start) / PAGE_BYTES as u64) as u32;
            pages.extend(self.runs.iter().take(found).flat_map(|run| number(run.start)..number(run.end)));
            if scan.walk_end <= at {
                return Err(io::Error::other("the scan of the page map does not go on"));
            }
            at = scan.walk_end;
        }
        Ok(pages)
    }
}
