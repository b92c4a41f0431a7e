//! The JSON lines of `sam2 stream`: commands in, answers out.
//!
//! | line | type |
//! |---|---|
//! | `{"obj_id":1,"points":[[x,y]]}`, `{"op":"reset"}` … | [`CommandLine`], checked as [`Request`] |
//! | `{"frame":0,"objects":[…],"ms":12.3}`, `{"error":"…","frame":0}` | [`Answer`] |
//! | a line of `tracks.jsonl` | [`TrackLine`] |

pub mod answer;
pub mod command;
pub mod feed;

pub use answer::{Answer, CocoRle, Event, ObjectAnswer, ObjectLine, TrackLine};
pub use command::{Command, CommandLine, Op, Request};
pub use feed::Feed;
