//! Conversions to and from the types of the crate `image`.

use ::image::{DynamicImage, GrayImage, Luma, RgbImage};

use super::{Frame, FrameView, Mask, PixelFormat};
use crate::error::{ImageError, PromptError};

/// A gray value from here on is inside a mask.
const INSIDE: u8 = 128;

impl TryFrom<RgbImage> for Frame {
    type Error = ImageError;

    /// Takes the pixels without a copy.
    ///
    /// # Errors
    /// If there is no pixel.
    fn try_from(picture: RgbImage) -> Result<Self, ImageError> {
        Self::new(picture.width() as usize, picture.height() as usize, picture.into_raw())
    }
}

impl TryFrom<DynamicImage> for Frame {
    type Error = ImageError;

    /// Converts any pixel type to RGB, 8 bits per channel; an alpha is dropped.
    ///
    /// ```
    /// use image::{DynamicImage, RgbImage};
    /// use sam2_model::Frame;
    ///
    /// let picture = DynamicImage::from(RgbImage::new(4, 2)); // or image::open("photo.jpg")?
    /// assert_eq!(Frame::try_from(picture)?.width(), 4);
    /// # Ok::<(), sam2_model::error::ImageError>(())
    /// ```
    ///
    /// # Errors
    /// If there is no pixel.
    fn try_from(picture: DynamicImage) -> Result<Self, ImageError> {
        picture.into_rgb8().try_into()
    }
}

impl<'a> TryFrom<&'a RgbImage> for FrameView<'a> {
    type Error = ImageError;

    /// Borrows the pixels.
    ///
    /// ```
    /// use image::RgbImage;
    /// use sam2_model::FrameView;
    ///
    /// let picture = RgbImage::new(4, 2);
    /// assert_eq!(FrameView::try_from(&picture)?.height(), 2);
    /// # Ok::<(), sam2_model::error::ImageError>(())
    /// ```
    ///
    /// # Errors
    /// If there is no pixel.
    fn try_from(picture: &'a RgbImage) -> Result<Self, ImageError> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        Self::new(picture.as_raw(), width, height, PixelFormat::Rgb8)
    }
}

impl From<&Mask> for GrayImage {
    /// 255 inside, 0 outside.
    ///
    /// ```
    /// use image::GrayImage;
    /// use sam2_model::Mask;
    ///
    /// let mask = Mask::new(3, 1, vec![false, true, true])?;
    /// let picture = GrayImage::from(&mask);
    /// assert_eq!(picture.as_raw(), &[0, 255, 255]);
    /// assert_eq!(Mask::try_from(&picture)?, mask);
    /// # Ok::<(), sam2_model::error::PromptError>(())
    /// ```
    fn from(mask: &Mask) -> Self {
        let value = |x: u32, y: u32| mask.data()[y as usize * mask.width() + x as usize];
        Self::from_fn(mask.width() as u32, mask.height() as u32, |x, y| {
            Luma([if value(x, y) { u8::MAX } else { 0 }])
        })
    }
}

impl TryFrom<&GrayImage> for Mask {
    type Error = PromptError;

    /// 128 or more is inside.
    ///
    /// # Errors
    /// If there is no pixel.
    fn try_from(picture: &GrayImage) -> Result<Self, PromptError> {
        let inside = picture.as_raw().iter().map(|&x| x >= INSIDE).collect();
        Self::new(picture.width() as usize, picture.height() as usize, inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_and_masks_go_both_ways() {
        let picture = RgbImage::from_fn(3, 2, |x, y| ::image::Rgb([x as u8, y as u8, 7]));
        let frame = Frame::try_from(picture.clone()).expect("it has pixels");
        assert_eq!((frame.width(), frame.height(), frame.rgb()), (3, 2, picture.as_raw().as_slice()));
        let view = FrameView::try_from(&picture).expect("it has pixels");
        assert_eq!(Frame::from(view), frame);
        let with_alpha = DynamicImage::ImageRgba8(DynamicImage::ImageRgb8(picture).into_rgba8());
        assert_eq!(Frame::try_from(with_alpha).expect("it has pixels"), frame);
        assert!(Frame::try_from(RgbImage::new(0, 2)).is_err());
        let mask = Mask::new(3, 2, vec![true, false, false, true, true, false]).expect("it is full");
        let gray = GrayImage::from(&mask);
        assert_eq!(gray.as_raw(), &[255, 0, 0, 255, 255, 0]);
        assert_eq!(Mask::try_from(&gray), Ok(mask));
    }
}
