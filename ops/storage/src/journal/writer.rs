//! Makes batches of commits durable: encodes them as records, writes them to
//! the current segment, and syncs it once.
//!
//! Invariants: what lies before `end` in the current segment is durable, and a
//! batch is reported as failed only after a new segment says, durably, that
//! nothing after `end` counts, or when no segment can be made at all.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::index::{Entry, Index, Known, Point};
use super::record::{self, Head, Kind, PART};
use super::segment::{self, Place};
use super::{Append, Content, LogEvent, Mark, last};
use crate::disk::{Disk, DiskFile, OpenMode};

/// Pages of one record, at most.
const RECORD_PAGES_MAX: usize = 256;
/// Bytes that are kept before they are written.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of SQLite's header of a write-ahead log, and of one of its frames.
pub(crate) const WAL_HEADER_BYTES: u64 = 32;
pub(crate) const FRAME_HEADER_BYTES: u64 = 24;

pub(crate) struct Writer {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    segment_bytes: u64,
    index: Arc<Mutex<Index>>,
    current: Option<Current>,
    batch: Batch,
    /// Where the next segment goes on.
    resume: Place,
    next_number: u64,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
    /// Whether a segment was completed since the last call of `take_sealed`.
    sealed: bool,
}

struct Current {
    number: u64,
    file: Arc<dyn DiskFile>,
    /// Where the next byte goes, those of the buffer included.
    end: u64,
    batch_start: u32,
}

/// Why a commit could not be written.
enum Failure {
    /// Its pages could not be read: it alone fails.
    Source(io::Error),
    /// The journal could not be written: the batch fails.
    Journal(io::Error),
}

/// What a batch changes in the index once it is durable.
type Noted = (Head, record::Chain, Entry);

/// Commits that become durable together.
struct Batch {
    appends: Vec<Append>,
    /// For each of them the point it is, unless its object had failed.
    points: Vec<Option<Point>>,
    noted: Vec<Noted>,
    /// Whether there is a record of it.
    begun: bool,
    /// How many of the appends were told that they are written.
    told: usize,
    outcome: Result<(), String>,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch {
            appends: Vec::new(),
            points: Vec::new(),
            noted: Vec::new(),
            begun: false,
            told: 0,
            outcome: Ok(()),
        }
    }
}

impl Writer {
    /// A writer that goes on at `resume` with the segment after `last`.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        segment_bytes: u64,
        index: Arc<Mutex<Index>>,
        resume: Place,
        last: u64,
    ) -> Writer {
        Writer {
            disk,
            directory,
            segment_bytes,
            index,
            current: None,
            batch: Batch::default(),
            resume,
            next_number: last + 1,
            buffer: Vec::new(),
            scratch: Vec::new(),
            sealed: false,
        }
    }

    /// Makes a batch durable, tells the index and then the objects.
    pub(crate) fn write(&mut self, appends: Vec<Append>, marks: &[Mark]) {
        self.add(appends, marks);
        self.finish();
    }

    /// Adds to the batch. Nothing of it is durable yet.
    pub(crate) fn add(&mut self, appends: Vec<Append>, marks: &[Mark]) {
        let mut batch = std::mem::take(&mut self.batch);
        if batch.outcome.is_ok() {
            let written = self.write_records(&appends, marks, &mut batch);
            batch.outcome = written.map_err(|error| error.to_string());
        }
        batch.appends.extend(appends);
        self.batch = batch;
    }

    /// Hands what was added to the system, and tells the objects so. Returns
    /// how large the batch is.
    pub(crate) fn tell_written(&mut self) -> u64 {
        if self.batch.begun && self.batch.outcome.is_ok() {
            self.batch.outcome = self.flush().map_err(|error| error.to_string());
        }
        if self.batch.outcome.is_err() {
            return u64::MAX;
        }
        for append in &self.batch.appends[self.batch.told..] {
            if append.log.failure().is_none() {
                (append.log.notify)(LogEvent::Written(append.number));
            }
        }
        self.batch.told = self.batch.appends.len();
        self.batch.appends.iter().map(|append| append.bytes).sum()
    }

    /// Syncs the batch, tells the index and then the objects.
    pub(crate) fn finish(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let outcome = batch.outcome.and_then(|()| match batch.begun {
            true => self.end_batch().map_err(|error| error.to_string()),
            false => Ok(()),
        });
        if outcome.is_err() {
            self.buffer.clear();
            self.current = None;
            // Before anybody hears of the failure, nothing of the batch may
            // come back. Where even that fails, the next batch tries again.
            super::lock(&self.index).is_unfenced = true;
            drop(self.fence());
        } else {
            self.tell_index(batch.noted);
        }
        for (at, append) in batch.appends.into_iter().enumerate() {
            let failed_before = append.log.failure();
            let outcome = match (&outcome, failed_before) {
                (_, Some(error)) => Err(error),
                (Err(error), None) => Err(error.clone()),
                (Ok(()), None) => {
                    Ok(batch.points[at].expect("a commit of a sound object was written"))
                }
            };
            append.log.ended(append.bytes, outcome.clone());
            (append.log.notify)(match outcome {
                Ok(point) => LogEvent::Durable(append.number, point),
                Err(error) => LogEvent::Failed(error),
            });
        }
    }

    fn end_batch(&mut self) -> io::Result<()> {
        self.sync()?;
        let current = self.current.as_ref().expect("a segment was synced");
        self.resume = Place {
            segment: current.number,
            offset: current.end,
        };
        Ok(())
    }

    /// Makes sure that nothing of a batch which failed counts.
    ///
    /// # Errors
    /// When no new segment can say so.
    pub(crate) fn fence(&mut self) -> io::Result<()> {
        let is_unfenced = super::lock(&self.index).is_unfenced;
        match is_unfenced {
            true => self.open_segment(),
            false => Ok(()),
        }
    }

    /// Whether a segment was completed since the last call.
    pub(crate) fn take_sealed(&mut self) -> bool {
        std::mem::take(&mut self.sealed)
    }

    /// Ends the current segment. Returns the number of the last one.
    pub(crate) fn seal(&mut self) -> u64 {
        // Whatever becomes of it, the journal ends here.
        drop(self.fence());
        self.current = None;
        self.next_number - 1
    }

    fn write_records(
        &mut self,
        appends: &[Append],
        marks: &[Mark],
        batch: &mut Batch,
    ) -> io::Result<()> {
        for append in appends {
            if append.log.failure().is_some() {
                batch.points.push(None);
                continue;
            }
            if !matches!(append.content, Content::Nothing) {
                self.begin(&mut batch.begun)?;
                match self.write_commit(append, &mut batch.noted) {
                    Ok(()) => {}
                    Err(Failure::Journal(error)) => return Err(error),
                    Err(Failure::Source(error)) => {
                        // What it has in the batch already lacks its end.
                        let error = context(&append.log.files.path, error);
                        append.log.refuse(&error.to_string());
                        batch.points.push(None);
                        continue;
                    }
                }
            }
            batch.points.push(Some(append.log.written()));
        }
        for mark in marks {
            self.begin(&mut batch.begun)?;
            self.write_mark(mark, &mut batch.noted)?;
        }
        Ok(())
    }

    /// Begins the batch, at its first record.
    fn begin(&mut self, begun: &mut bool) -> io::Result<()> {
        if std::mem::replace(begun, true) {
            return Ok(());
        }
        if self.current.is_none() {
            self.open_segment()?;
        }
        let current = self.current.as_mut().expect("a segment was opened");
        current.batch_start = current.end as u32;
        Ok(())
    }

    fn write_commit(&mut self, append: &Append, noted: &mut Vec<Noted>) -> Result<(), Failure> {
        match &append.content {
            Content::Nothing => Ok(()),
            Content::Frames { wal, first, last } => {
                self.write_frames(append, &**wal, *first, *last, noted)
            }
            Content::Pages {
                source,
                numbers,
                db_pages,
            } => self.write_pages(append, &**source, numbers, *db_pages, noted),
        }
    }

    fn write_frames(
        &mut self,
        append: &Append,
        wal: &dyn DiskFile,
        first: u32,
        last: u32,
        noted: &mut Vec<Noted>,
    ) -> Result<(), Failure> {
        let page = append.page_bytes();
        let frame = FRAME_HEADER_BYTES as usize + page;
        let offset = |number: u32| WAL_HEADER_BYTES + u64::from(number - 1) * frame as u64;
        let mut header = [0; FRAME_HEADER_BYTES as usize];
        wal.read_exact_at(&mut header, offset(last))
            .map_err(Failure::Source)?;
        let db_pages = u32::from_be_bytes(header[4..8].try_into().expect("4 bytes"));
        let salt: [u8; 8] = header[8..16].try_into().expect("8 bytes");
        if db_pages == 0 {
            let text = "the write-ahead log does not end with a commit";
            return Err(Failure::Source(io::Error::other(text)));
        }
        let mut missing = self.pages_before_first(append, db_pages);
        let mut at = first;
        let mut scratch = std::mem::take(&mut self.scratch);
        while at <= last {
            let count = (last - at + 1).min(RECORD_PAGES_MAX as u32) as usize;
            scratch.resize(count * frame, 0);
            wal.read_exact_at(&mut scratch, offset(at))
                .map_err(Failure::Source)?;
            if scratch
                .chunks_exact(frame)
                .any(|frame| frame[8..16] != salt)
            {
                let text = "the write-ahead log was started over";
                return Err(Failure::Source(io::Error::other(text)));
            }
            let pages = scratch.chunks_exact(frame).map(|frame| {
                let number = u32::from_be_bytes(frame[..4].try_into().expect("4 bytes"));
                (number, &frame[FRAME_HEADER_BYTES as usize..])
            });
            missing.retain(|wanted| !pages.clone().any(|(number, _)| number == *wanted));
            at += count as u32;
            let is_last = at > last && missing.is_empty();
            self.put(append, db_pages, is_last, pages, noted)?;
        }
        self.scratch = scratch;
        if missing.is_empty() {
            return Ok(());
        }
        self.write_pages(append, &*append.log.files.file, &missing, db_pages, noted)
    }

    /// The pages that an object's first commit must hold: all of them, since
    /// there is no file to which they could be added.
    fn pages_before_first(&self, append: &Append, db_pages: u32) -> Vec<u32> {
        match append.log.is_first.load(Ordering::Relaxed) {
            true => (1..=db_pages).collect(),
            false => Vec::new(),
        }
    }

    fn write_pages(
        &mut self,
        append: &Append,
        source: &dyn DiskFile,
        numbers: &[u32],
        db_pages: u32,
        noted: &mut Vec<Noted>,
    ) -> Result<(), Failure> {
        let page = append.page_bytes();
        let mut images = Vec::new();
        let chunks = numbers.len().div_ceil(RECORD_PAGES_MAX).max(1);
        for chunk in 0..chunks {
            let from = chunk * RECORD_PAGES_MAX;
            let numbers = &numbers[from..numbers.len().min(from + RECORD_PAGES_MAX)];
            images.resize(numbers.len() * page, 0);
            for (number, image) in numbers.iter().zip(images.chunks_exact_mut(page)) {
                source
                    .read_exact_at(image, u64::from(number - 1) * page as u64)
                    .map_err(Failure::Source)?;
            }
            let pages = numbers.iter().copied().zip(images.chunks_exact(page));
            self.put(append, db_pages, chunk + 1 == chunks, pages, noted)?;
        }
        Ok(())
    }

    /// Puts one record of a commit into the batch.
    fn put<'p>(
        &mut self,
        append: &Append,
        db_pages: u32,
        is_last: bool,
        pages: impl ExactSizeIterator<Item = (u32, &'p [u8])> + Clone,
        noted: &mut Vec<Noted>,
    ) -> Result<(), Failure> {
        let log = &append.log;
        let written = log.written();
        let continues = noted.last().filter(|(head, ..)| {
            head.name == log.name && head.is_part() && head.sequence == written.sequence + 1
        });
        let previous = continues.map_or(written.chain, |(_, chain, _)| *chain);
        let head = Head {
            name: log.name.clone(),
            kind: Kind::Commit,
            flags: append.flags | if is_last { 0 } else { PART },
            segment: 0,
            batch_start: 0,
            sequence: written.sequence + 1,
            // The history of an object goes on when the clock goes back.
            time_ms: append.time_ms.max(written.time_ms),
            db_pages,
            page_bytes: append.page_bytes() as u32,
            previous,
        };
        let encoded = self.encode(head, pages, noted);
        let (chain, entry) = encoded.map_err(Failure::Journal)?;
        if is_last {
            log.set_written(entry.point);
            log.is_first.store(false, Ordering::Relaxed);
        }
        debug_assert_eq!(entry.point.chain, chain);
        Ok(())
    }

    fn write_mark(&mut self, mark: &Mark, noted: &mut Vec<Noted>) -> io::Result<()> {
        let head = Head {
            name: mark.name.clone(),
            kind: Kind::Mark(mark.closed),
            flags: 0,
            segment: 0,
            batch_start: 0,
            sequence: mark.sequence,
            time_ms: 0,
            db_pages: 0,
            page_bytes: 0,
            previous: [0; 16],
        };
        self.encode(head, std::iter::empty(), noted).map(drop)
    }

    fn encode<'p>(
        &mut self,
        mut head: Head,
        pages: impl ExactSizeIterator<Item = (u32, &'p [u8])> + Clone,
        noted: &mut Vec<Noted>,
    ) -> io::Result<(record::Chain, Entry)> {
        let bytes = record::encoded_bytes(&head.name, pages.len(), head.page_bytes as usize);
        let end = self.current.as_ref().expect("a batch has begun").end;
        if end > segment::HEADER_BYTES && end + bytes as u64 > self.segment_bytes {
            self.rotate()?;
        }
        let current = self.current.as_mut().expect("a batch has begun");
        head.segment = current.number;
        head.batch_start = current.batch_start;
        let from = self.buffer.len();
        let count = pages.len() as u32;
        let chain = record::encode(&mut self.buffer, &head, pages);
        let bytes = self.buffer.len() - from;
        let entry = Entry {
            place: Place {
                segment: current.number,
                offset: current.end,
            },
            bytes,
            point: Point {
                sequence: head.sequence,
                chain,
                time_ms: head.time_ms,
            },
            pages: count,
            is_part: head.is_part(),
            is_restore: head.is_restore(),
        };
        current.end += bytes as u64;
        noted.push((head, chain, entry.clone()));
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok((chain, entry))
    }

    fn flush(&mut self) -> io::Result<()> {
        let current = self.current.as_ref().expect("a batch has begun");
        let at = current.end - self.buffer.len() as u64;
        current.file.write_all_at(&self.buffer, at)?;
        self.buffer.clear();
        // One large commit must not keep its memory.
        self.buffer.shrink_to(BUFFER_BYTES);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        let current = self.current.as_ref().expect("a batch has begun");
        current.file.sync()
    }

    /// Goes on in a new segment, in the middle of a batch. The new one resumes
    /// where the batch began to be written only if the batch fails; so does
    /// its header say, which is why a batch in two segments needs no more.
    fn rotate(&mut self) -> io::Result<()> {
        self.sync()?;
        let current = self.current.as_ref().expect("a batch has begun");
        let before = std::mem::replace(
            &mut self.resume,
            Place {
                segment: current.number,
                offset: current.end,
            },
        );
        let opened = self.open_segment();
        self.resume = before;
        self.sealed = true;
        opened
    }

    /// Makes the next segment, durably, going on at `resume`.
    fn open_segment(&mut self) -> io::Result<()> {
        self.current = None;
        let number = self.next_number;
        let path = segment::path(&self.directory, number);
        let open = || {
            let file = self.disk.open(&path, OpenMode::Empty)?;
            let header = segment::encode_header(number, self.resume);
            file.write_all_at(&header, 0)?;
            file.sync()?;
            self.disk.sync_dir(&self.directory)?;
            last::note(&*self.disk, &self.directory, number)?;
            Ok(file)
        };
        let file = open().map_err(|error| context(&path, error))?;
        self.next_number += 1;
        let mut index = super::lock(&self.index);
        index.segments.insert(number);
        index.is_unfenced = false;
        drop(index);
        self.current = Some(Current {
            number,
            file,
            end: segment::HEADER_BYTES,
            batch_start: segment::HEADER_BYTES as u32,
        });
        Ok(())
    }

    fn tell_index(&self, noted: Vec<Noted>) {
        let mut index = super::lock(&self.index);
        for (head, chain, entry) in &noted {
            let known = index
                .objects
                .entry(head.name.clone())
                .or_insert_with(|| Known::new(Point::default()));
            known.note(head, *chain, entry.clone(), &|| "the journal".to_owned());
            debug_assert_eq!(known.damage, None, "the writer follows the chain");
        }
        for (head, ..) in &noted {
            if let Some(known) = index.objects.get_mut(&head.name) {
                known.drop_parts();
            }
        }
    }
}

impl Append {
    fn page_bytes(&self) -> usize {
        self.log.page_bytes.load(Ordering::Relaxed) as usize
    }
}

/// Names the file that a failure is about.
pub(crate) fn context(path: &std::path::Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
