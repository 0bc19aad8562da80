//! The exported functions, as macros: they must stand in the plugin's own crate to be exported from its module.

/// Exports the [`Calculation`](crate::Calculation) named as a plugin. Once per crate.
#[macro_export]
macro_rules! calculation {
    ($plugin:ty) => {
        $crate::exports!($crate::abi::CalculationGuest<$plugin>);

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::abi::memory::{take_list, take_texts};

            // SAFETY (of all functions here): only the host calls them, and it passes lists as the contract says: allocated through
            // `cabi_realloc` for exactly their elements, written, and given away.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn process(
                t0: i64,
                runs: *mut $crate::Run,
                runs_len: usize,
                dt: *mut i64,
                dt_len: usize,
                values: *mut f64,
                values_len: usize,
                qualities: *mut u32,
                qualities_len: usize,
                texts: *mut [usize; 2],
                texts_len: usize,
            ) -> *const usize {
                let (runs, dt) = unsafe { (take_list(runs, runs_len), take_list(dt, dt_len)) };
                let (values, qualities) =
                    unsafe { (take_list(values, values_len), take_list(qualities, qualities_len)) };
                let texts = unsafe { take_texts(texts, texts_len) };
                tidemill_guest(|guest| guest.process(t0, runs, dt, values, qualities, texts))
            }

            #[unsafe(no_mangle)]
            extern "C" fn cabi_post_process(_reply: *const usize) {
                tidemill_guest(|guest| guest.post());
            }

            #[unsafe(no_mangle)]
            extern "C" fn advance(watermark: i64) -> *const usize {
                tidemill_guest(|guest| guest.advance(watermark))
            }

            #[unsafe(no_mangle)]
            extern "C" fn cabi_post_advance(_reply: *const usize) {
                tidemill_guest(|guest| guest.post());
            }
        };
    };
}

/// Exports the [`Durable`](crate::Durable) calculation named as a plugin. Once per crate.
#[macro_export]
macro_rules! durable_calculation {
    ($plugin:ty) => {
        $crate::calculation!($plugin);

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::abi::memory::{take_list, take_lists};

            // SAFETY (of both functions): only the host calls them, with lists as the contract says.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn save(groups: *mut u32, groups_len: usize) -> *const usize {
                let groups = unsafe { take_list(groups, groups_len) };
                tidemill_guest(|guest| guest.save(groups))
            }

            #[unsafe(no_mangle)]
            extern "C" fn cabi_post_save(_reply: *const usize) {
                tidemill_guest(|guest| guest.post());
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn load(
                groups: *mut u32,
                groups_len: usize,
                states: *mut [usize; 2],
                states_len: usize,
            ) -> *const usize {
                let (groups, states) = unsafe { (take_list(groups, groups_len), take_lists(states, states_len)) };
                tidemill_guest(|guest| guest.load(groups, states))
            }

            #[unsafe(no_mangle)]
            extern "C" fn cabi_post_load(_reply: *const usize) {
                tidemill_guest(|guest| guest.post());
            }
        };
    };
}

/// Exports the [`Aggregation`](crate::Aggregation) named as a plugin. Once per crate.
#[macro_export]
macro_rules! aggregation {
    ($plugin:ty) => {
        $crate::exports!($crate::abi::AggregationGuest<$plugin>);

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::abi::memory::{take_list, take_texts};

            // SAFETY: only the host calls this, and it passes lists as the contract says: allocated through `cabi_realloc` for
            // exactly their elements, written, and given away.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn aggregate(
                windows: *mut $crate::abi::WindowHead,
                windows_len: usize,
                dt: *mut i64,
                dt_len: usize,
                values: *mut f64,
                values_len: usize,
                qualities: *mut u32,
                qualities_len: usize,
                texts: *mut [usize; 2],
                texts_len: usize,
            ) -> *const usize {
                let (windows, dt) = unsafe { (take_list(windows, windows_len), take_list(dt, dt_len)) };
                let (values, qualities) =
                    unsafe { (take_list(values, values_len), take_list(qualities, qualities_len)) };
                let texts = unsafe { take_texts(texts, texts_len) };
                tidemill_guest(|guest| guest.aggregate(windows, dt, values, qualities, texts))
            }

            #[unsafe(no_mangle)]
            extern "C" fn cabi_post_aggregate(_reply: *const usize) {
                tidemill_guest(|guest| guest.post());
            }
        };
    };
}

/// Exports the [`Combining`](crate::Combining) aggregation named as a plugin. Once per crate.
#[macro_export]
macro_rules! combining_aggregation {
    ($plugin:ty) => {
        $crate::aggregation!($plugin);

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            // SAFETY: only the host calls this, with lists as the contract says.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn combine(
                parts: *mut u32,
                parts_len: usize,
                values: *mut f64,
                values_len: usize,
            ) -> *const usize {
                use $crate::abi::memory::take_list;
                let (parts, values) = unsafe { (take_list(parts, parts_len), take_list(values, values_len)) };
                tidemill_guest(|guest| guest.combine(parts, values))
            }

            #[unsafe(no_mangle)]
            extern "C" fn cabi_post_combine(_reply: *const usize) {
                tidemill_guest(|guest| guest.post());
            }
        };
    };
}

/// What both worlds export. The guest lives in a thread-local, which in a module without threads is a plain static.
#[doc(hidden)]
#[macro_export]
macro_rules! exports {
    ($guest:ty) => {
        #[cfg(target_arch = "wasm32")]
        fn tidemill_guest<R>(work: impl FnOnce(&mut $guest) -> R) -> R {
            std::thread_local! {
                static GUEST: std::cell::RefCell<$guest> = const { std::cell::RefCell::new(<$guest>::new()) };
            }
            GUEST.with_borrow_mut(work)
        }

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(no_mangle)]
            unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, new_size: usize) -> *mut u8 {
                // SAFETY: the host passes what an earlier call returned, or 0 and 0.
                unsafe { $crate::abi::memory::realloc(old, old_size, align, new_size) }
            }

            #[unsafe(no_mangle)]
            extern "C" fn contract() -> u32 {
                $crate::abi::CONTRACT
            }

            #[unsafe(no_mangle)]
            extern "C" fn describe() -> *const usize {
                tidemill_guest(|guest| guest.describe())
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn configure(params: *mut u8, length: usize) -> *const usize {
                // SAFETY: the host allocated the string through `cabi_realloc` for exactly its bytes and gives it away.
                let params = unsafe { $crate::abi::memory::take_list(params, length) };
                tidemill_guest(|guest| guest.configure(params))
            }

            #[unsafe(no_mangle)]
            extern "C" fn cabi_post_configure(_reply: *const usize) {
                tidemill_guest(|guest| guest.post());
            }
        };
    };
}
