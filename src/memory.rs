//! Memory outside of V8's heap: that of array buffers, which is counted and has a bound, and
//! what is left behind when a shard ends.

use std::alloc::Layout;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use deno_core::v8;

/// Refusals in a row before nothing helps: V8 collects garbage after each of the first.
const REFUSALS_MAX: u32 = 4;
/// How long after the first shards are ready the start is over: the others are ready, too.
const START_LASTS: Duration = Duration::from_millis(500);
/// The alignment of a buffer, as `malloc` gives it.
const ALIGNMENT: usize = 16;

/// Gives memory back to the system that was freed. The C library keeps what the thread of a
/// shard leaves behind for threads to come, also the large parts that no later one needs.
/// It takes some milliseconds, in which other threads may have to wait for memory.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the function has no conditions.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Makes room in the C library's heap of the calling thread, which is to make an isolate: that allocates more
/// than a megabyte there, and the heap grows page by page, with a call of the system for each. Nothing is
/// touched, so no memory is used before it is needed. What is returned keeps the room from being given
/// back at once.
pub fn make_room() -> RoomEnd {
    // Larger blocks would be mappings of their own.
    const BLOCK_BYTES: usize = 120 * 1024;
    let block = |_| std::hint::black_box(Vec::<u8>::with_capacity(BLOCK_BYTES));
    let blocks: [Vec<u8>; 11] = std::array::from_fn(block);
    let end = std::hint::black_box(Vec::with_capacity(2048));
    drop(blocks);
    RoomEnd(end)
}

/// The end of the room that a thread has.
pub struct RoomEnd(#[expect(dead_code, reason = "it is in the way of `free`")] Vec<u8>);

/// Gives back, once in the life of the process, what its start has freed, when that is over. Called inside
/// the process's runtime, which ends the wait when it ends itself.
pub fn give_back_soon() {
    static ASKED: AtomicBool = AtomicBool::new(false);
    if !ASKED.swap(true, Ordering::Relaxed) {
        tokio::spawn(async {
            tokio::time::sleep(START_LASTS).await;
            drop(tokio::task::spawn_blocking(give_back).await);
        });
    }
}

/// The bytes that the array buffers of one isolate may have together.
pub struct BufferBudget {
    bytes_max: usize,
    used: AtomicUsize,
    refusals: AtomicU32,
    on_refusal: Mutex<Option<Box<dyn Fn() + Send + Sync>>>,
}

impl BufferBudget {
    /// A budget of which nothing is used.
    pub fn new(bytes_max: usize) -> Arc<BufferBudget> {
        Arc::new(BufferBudget {
            bytes_max,
            used: AtomicUsize::new(0),
            refusals: AtomicU32::new(0),
            on_refusal: Mutex::default(),
        })
    }

    /// Sets what is called when a buffer is refused although garbage was collected.
    /// JavaScript then gets a RangeError.
    pub fn on_refusal(&self, act: Box<dyn Fn() + Send + Sync>) {
        *self.lock() = Some(act);
    }

    /// Bytes that are in use.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// An allocator for one isolate.
    pub fn allocator(self: &Arc<Self>) -> v8::UniqueRef<v8::Allocator> {
        // SAFETY: the table's functions take what `into_raw` gives.
        unsafe { v8::new_rust_allocator(Arc::into_raw(self.clone()), &TABLE) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Box<dyn Fn() + Send + Sync>>> {
        self.on_refusal
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Takes bytes from the budget; false if it has not that many.
    fn take(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) <= self.bytes_max {
            self.refusals.store(0, Ordering::Relaxed);
            return true;
        }
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        if self.refusals.fetch_add(1, Ordering::Relaxed) + 1 >= REFUSALS_MAX {
            self.refusals.store(0, Ordering::Relaxed);
            if let Some(act) = &*self.lock() {
                act();
            }
        }
        false
    }
}

static TABLE: v8::RustAllocatorVtable<BufferBudget> = v8::RustAllocatorVtable {
    allocate,
    allocate_uninitialized,
    free,
    drop: release,
};

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes.max(1), ALIGNMENT).ok()
}

/// # Safety
/// The result is freed by [`free`] with the same length.
unsafe extern "C" fn allocate(budget: &BufferBudget, bytes: usize) -> *mut c_void {
    give(budget, bytes, |layout| {
        // SAFETY: the layout is not empty.
        unsafe { std::alloc::alloc_zeroed(layout) }
    })
}

/// # Safety
/// As for [`allocate`].
unsafe extern "C" fn allocate_uninitialized(budget: &BufferBudget, bytes: usize) -> *mut c_void {
    give(budget, bytes, |layout| {
        // SAFETY: the layout is not empty.
        unsafe { std::alloc::alloc(layout) }
    })
}

fn give(
    budget: &BufferBudget,
    bytes: usize,
    allocate: impl FnOnce(Layout) -> *mut u8,
) -> *mut c_void {
    let Some(layout) = layout(bytes).filter(|_| budget.take(bytes)) else {
        return std::ptr::null_mut();
    };
    let given = allocate(layout);
    if given.is_null() {
        budget.used.fetch_sub(bytes, Ordering::Relaxed);
    }
    given.cast()
}

/// # Safety
/// `data` came from this allocator, with the same length.
unsafe extern "C" fn free(budget: &BufferBudget, data: *mut c_void, bytes: usize) {
    let Some(layout) = layout(bytes) else { return };
    budget.used.fetch_sub(bytes, Ordering::Relaxed);
    // SAFETY: allocated above with this layout.
    unsafe { std::alloc::dealloc(data.cast(), layout) }
}

/// # Safety
/// `budget` came from `Arc::into_raw`, and is used no more.
unsafe extern "C" fn release(budget: *const BufferBudget) {
    // SAFETY: the caller's promise.
    drop(unsafe { Arc::from_raw(budget) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_freed_can_be_used_again() {
        let budget = BufferBudget::new(100);
        // SAFETY: each buffer is freed once, with its length.
        unsafe {
            let first = allocate(&budget, 60);
            assert!(!first.is_null());
            assert!(allocate(&budget, 60).is_null());
            assert_eq!(budget.used(), 60);
            free(&budget, first, 60);
            let second = allocate_uninitialized(&budget, 100);
            assert!(!second.is_null());
            free(&budget, second, 100);
        }
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_refusal_that_garbage_collection_did_not_help_is_told_once() {
        let budget = BufferBudget::new(10);
        let told = Arc::new(AtomicU32::new(0));
        let count = told.clone();
        budget.on_refusal(Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        for _ in 0..REFUSALS_MAX {
            // SAFETY: nothing is allocated.
            assert!(unsafe { allocate(&budget, 11) }.is_null());
        }
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }
}
