//! Limits, so that a broken or hostile page cannot exhaust the machine.

use std::time::Duration;

/// Connections at a time; a further one is refused.
pub const CONNECTIONS: usize = 32;
/// How long the head of a request may take, and how long a connection may be idle.
pub const HEAD_TIME: Duration = Duration::from_secs(10);
/// Bytes of the head of a request, at most.
pub const HEAD: usize = 64 << 10;
/// Bytes of a JSON body.
pub const JSON: usize = 1 << 20;
/// Bytes of a body with a picture in it.
pub const PICTURE: usize = 64 << 20;
/// How long the next bytes of a body may take.
pub const BODY_TIME: Duration = Duration::from_secs(20);
/// Requests that wait for one of the threads.
pub const QUEUE: usize = 64;
/// Numbers of objects are 1 to this.
pub const OBJECTS: u32 = 255;
/// Points of a prompt.
pub const POINTS: usize = 1000;
/// Encoded pictures that are kept: 17 to 20 MB each for the published models.
pub const EMBEDDINGS: usize = 8;
/// Clips whose tracking state is kept.
pub const PREDICTORS: usize = 2;
/// Decoded frames that are kept, bytes; the last one is kept whatever its size.
pub const FRAMES: usize = 128 << 20;
/// Frames as JPEG that are kept, bytes.
pub const JPEGS: usize = 64 << 20;
/// Clips that are held open for reading on: each may be an ffmpeg process.
pub const OPEN_CLIPS: usize = 3;
/// Frames as JPEG on the disk, bytes: of clips that can only be read forwards, so that scrubbing does not
/// decode them again.
pub const SPOOL: u64 = 1 << 30;
/// Pictures and clips in the list.
pub const MEDIA: usize = 10_000;
/// Events that are kept for pages that reconnect, and their bytes.
pub const EVENTS: usize = 2048;
pub const EVENT_BYTES: usize = 16 << 20;
/// A comment is sent to an idle page this often.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Bytes of the name of an object or of an upload.
pub const NAME: usize = 200;
