//! Types used by every layer: images, prompts, masks. They depend only on [`crate::error`].

/// Setters of an option struct, one per named field: `Options::default().field(value)`.
macro_rules! setters {
    ($options:ident { $($name:ident: $kind:ty),+ $(,)? }) => {
        impl $options {
            $(
                #[doc = concat!("Sets `", stringify!($name), "`.")]
                #[must_use]
                pub fn $name(mut self, $name: $kind) -> Self {
                    self.$name = $name.into();
                    self
                }
            )+
        }
    };
}

pub(crate) use setters;

#[cfg(feature = "image")]
mod convert;
mod frame;
mod frame_view;
mod mask;
mod points;
mod polygon;
mod rle;

pub use frame::Frame;
pub use frame_view::{FrameView, PixelFormat};
pub use mask::Mask;
pub use points::{Label, Points};
pub use polygon::Polygon;
pub use rle::Rle;
