//! Borrowed pixels. Cameras, OpenCV, C and NumPy provide rows with a stride, often as BGR.

use super::Frame;
use crate::error::ImageError;

/// Order and number of the 8-bit channels of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PixelFormat {
    /// Red, green, blue.
    Rgb8,
    /// Blue, green, red, as in OpenCV.
    Bgr8,
    /// Red, green, blue, and an alpha that is ignored.
    Rgba8,
    /// Blue, green, red, and an alpha that is ignored.
    Bgra8,
    /// One value for red, green and blue.
    Gray8,
}

impl PixelFormat {
    /// Bytes of a pixel.
    ///
    /// ```
    /// # use sam2_model::PixelFormat;
    /// assert_eq!((PixelFormat::Bgra8.bytes(), PixelFormat::Gray8.bytes()), (4, 1));
    /// ```
    pub const fn bytes(self) -> usize {
        match self {
            Self::Gray8 => 1,
            Self::Rgb8 | Self::Bgr8 => 3,
            Self::Rgba8 | Self::Bgra8 => 4,
        }
    }

    /// Offsets of red, green and blue in a pixel.
    const fn offsets(self) -> [usize; 3] {
        match self {
            Self::Rgb8 | Self::Rgba8 => [0, 1, 2],
            Self::Bgr8 | Self::Bgra8 => [2, 1, 0],
            Self::Gray8 => [0, 0, 0],
        }
    }

    /// The name in messages.
    const fn name(self) -> &'static str {
        match self {
            Self::Rgb8 => "RGB",
            Self::Bgr8 => "BGR",
            Self::Rgba8 => "RGBA",
            Self::Bgra8 => "BGRA",
            Self::Gray8 => "gray",
        }
    }

    /// Converts pixels to RGB: `out` holds three values for every pixel of `row`.
    pub(crate) fn read<T>(self, row: &[u8], out: &mut [T], convert: impl Fn(u8) -> T) {
        if self == Self::Rgb8 {
            out.iter_mut().zip(row).for_each(|(out, &x)| *out = convert(x));
            return;
        }
        let offsets = self.offsets();
        for (pixel, out) in row.chunks_exact(self.bytes()).zip(out.chunks_exact_mut(3)) {
            for (out, offset) in out.iter_mut().zip(offsets) {
                *out = convert(pixel[offset]);
            }
        }
    }
}

/// A borrowed image. Predictors take `impl Into<FrameView>`, hence also `&Frame`; rows are converted to RGB
/// as they are read, so the results have the same bits as with a converted copy.
///
/// ```
/// use sam2_model::{Frame, FrameView, PixelFormat};
///
/// // Two rows of two BGR pixels, each row padded to 8 bytes.
/// let bytes = [0, 0, 255, 0, 0, 255, 9, 9, 255, 0, 0, 255, 0, 0, 9, 9];
/// let view = FrameView::with_stride(&bytes, 2, 2, 8, PixelFormat::Bgr8)?;
/// assert_eq!((view.width(), view.height(), view.stride()), (2, 2, 8));
/// assert_eq!(view.row(1), [255, 0, 0, 255, 0, 0]);
/// assert_eq!(Frame::from(view).rgb(), [255, 0, 0, 255, 0, 0, 0, 0, 255, 0, 0, 255]);
/// # Ok::<(), sam2_model::error::ImageError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameView<'a> {
    data: &'a [u8],
    width: usize,
    height: usize,
    stride: usize,
    format: PixelFormat,
}

impl<'a> FrameView<'a> {
    /// Rows that follow each other without a gap: `width · height · format.bytes()` bytes.
    ///
    /// ```
    /// # use sam2_model::{FrameView, PixelFormat};
    /// let view = FrameView::new(&[0, 80, 160, 240], 2, 2, PixelFormat::Gray8)?;
    /// assert_eq!((view.format(), view.stride()), (PixelFormat::Gray8, 2));
    /// # Ok::<(), sam2_model::error::ImageError>(())
    /// ```
    ///
    /// # Errors
    /// If `data` has another length, or the image is empty.
    pub fn new(data: &'a [u8], width: usize, height: usize, format: PixelFormat) -> Result<Self, ImageError> {
        let stride = width.saturating_mul(format.bytes());
        let expected = stride.saturating_mul(height);
        if expected == 0 || data.len() != expected {
            let (format, found) = (format.name(), data.len());
            return Err(ImageError::FrameSize { width, height, format, expected, found });
        }
        Ok(Self { data, width, height, stride, format })
    }

    /// Rows that start every `stride` bytes. The padding of the last row may be missing.
    ///
    /// # Errors
    /// If a row does not fit into the stride, `data` ends before the last pixel, or there is no pixel.
    pub fn with_stride(
        data: &'a [u8],
        width: usize,
        height: usize,
        stride: usize,
        format: PixelFormat,
    ) -> Result<Self, ImageError> {
        let row = width.saturating_mul(format.bytes());
        if stride < row {
            return Err(ImageError::FrameStride {
                width,
                format: format.name(),
                expected: row,
                found: stride,
            });
        }
        let expected = stride.saturating_mul(height.saturating_sub(1)).saturating_add(row);
        if row == 0 || height == 0 || data.len() < expected {
            let (format, found) = (format.name(), data.len());
            return Err(ImageError::FrameSize { width, height, format, expected, found });
        }
        Ok(Self { data, width, height, stride, format })
    }

    /// Width, pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height, pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Distance between the beginnings of two rows, bytes.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Order of the channels.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// The bytes of row `y`, `width · format.bytes()` of them.
    ///
    /// # Panics
    /// If there is no row `y`.
    pub fn row(&self, y: usize) -> &'a [u8] {
        assert!(y < self.height, "FrameView::row: row {y} of {}", self.height);
        &self.data[y * self.stride..][..self.width * self.format.bytes()]
    }

    /// The part from `(x0, y0)` of `width` × `height` pixels, which must be inside.
    pub(crate) fn crop(self, (x0, y0): (usize, usize), (width, height): (usize, usize)) -> Self {
        let data = &self.data[y0 * self.stride + x0 * self.format.bytes()..];
        Self { data, width, height, ..self }
    }

    /// All bytes, if rows follow each other without a gap.
    pub(crate) fn packed(&self) -> Option<&'a [u8]> {
        let row = self.width * self.format.bytes();
        (self.stride == row).then(|| &self.data[..row * self.height])
    }

    /// Converts row `y` to RGB: `out` holds `width · 3` values.
    pub(crate) fn read_row<T>(&self, y: usize, out: &mut [T], convert: impl Fn(u8) -> T) {
        self.format.read(self.row(y), out, convert);
    }
}

impl<'a> From<&'a Frame> for FrameView<'a> {
    fn from(frame: &'a Frame) -> Self {
        let (width, height, format) = (frame.width(), frame.height(), PixelFormat::Rgb8);
        Self { data: frame.rgb(), width, height, stride: width * format.bytes(), format }
    }
}

impl<'a> From<&FrameView<'a>> for FrameView<'a> {
    fn from(view: &FrameView<'a>) -> Self {
        *view
    }
}

impl Frame {
    /// Replaces size and pixels by those of `view`; the allocation is reused.
    pub(crate) fn copy_from(&mut self, view: FrameView) {
        (self.width, self.height) = (view.width(), view.height());
        self.rgb.resize(self.width * self.height * 3, 0);
        for (y, row) in self.rgb.chunks_exact_mut(self.width * 3).enumerate() {
            view.read_row(y, row, |x| x);
        }
    }
}

impl From<FrameView<'_>> for Frame {
    /// Copies the pixels of the view as RGB.
    fn from(view: FrameView) -> Self {
        let mut frame = Self { width: 0, height: 0, rgb: Vec::new() };
        frame.copy_from(view);
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `rgb` in another format, rows padded by `gap` bytes.
    fn written(rgb: &Frame, format: PixelFormat, gap: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for row in rgb.rgb().chunks(rgb.width() * 3) {
            for pixel in row.chunks(3) {
                match format {
                    PixelFormat::Gray8 => out.push(pixel[0]),
                    PixelFormat::Rgb8 => out.extend(pixel),
                    PixelFormat::Bgr8 => out.extend(pixel.iter().rev()),
                    PixelFormat::Rgba8 => out.extend(pixel.iter().chain(&[7])),
                    PixelFormat::Bgra8 => out.extend(pixel.iter().rev().chain(&[7])),
                }
            }
            out.extend(vec![9; gap]);
        }
        out
    }

    #[test]
    fn every_format_and_stride_is_read_as_rgb() {
        use PixelFormat::{Bgr8, Bgra8, Gray8, Rgb8, Rgba8};
        for format in [Rgb8, Bgr8, Rgba8, Bgra8, Gray8] {
            let value = |i: usize| if format == Gray8 { i / 3 * 3 } else { i } as u8;
            let rgb = Frame::new(5, 4, (0..60).map(value).collect()).expect("it fills the frame");
            for gap in [0, 3] {
                let bytes = written(&rgb, format, gap);
                let stride = 5 * format.bytes() + gap;
                let view = FrameView::with_stride(&bytes, 5, 4, stride, format).expect("it fills the view");
                assert_eq!(Frame::from(view), rgb, "{format:?}, gap {gap}");
                let part = Frame::from(view.crop((1, 2), (3, 2)));
                let row = |y: usize| &rgb.rgb()[(y * 5 + 1) * 3..][..9];
                assert_eq!(part.rgb(), [row(2), row(3)].concat(), "{format:?}, gap {gap}");
                // The gap after the last row may be missing.
                let short = &bytes[..bytes.len() - gap];
                assert!(FrameView::with_stride(short, 5, 4, stride, format).is_ok());
                assert!(FrameView::with_stride(&short[1..], 5, 4, stride, format).is_err());
            }
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let bytes = [0; 12];
        assert!(FrameView::new(&bytes, 2, 2, PixelFormat::Rgb8).is_ok());
        assert!(FrameView::new(&bytes[1..], 2, 2, PixelFormat::Rgb8).is_err());
        assert!(FrameView::new(&[], 0, 2, PixelFormat::Rgb8).is_err());
        assert!(FrameView::with_stride(&bytes, 2, 2, 5, PixelFormat::Rgb8).is_err());
        assert!(FrameView::with_stride(&bytes, 0, 2, 6, PixelFormat::Rgb8).is_err());
        assert!(FrameView::with_stride(&bytes, 2, 0, 6, PixelFormat::Rgb8).is_err());
        let huge = FrameView::with_stride(&bytes, usize::MAX, usize::MAX, usize::MAX, PixelFormat::Rgba8);
        assert!(huge.is_err());
    }
}
