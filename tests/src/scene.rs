//! Synthetic clips in which an object meets an identical distractor, as a function of a number.

use sam2_model::Frame;

use crate::seeded;

/// Width and height in pixels, equal to the embedded model's input.
const SIDE: usize = 256;
/// Frames per clip.
pub const FRAMES: usize = 24;

type Point = [f32; 2];
type Colour = [f32; 3];

/// A clip with its ground truth.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The frames.
    pub frames: Vec<Frame>,
    /// Visible mask of the object on each frame, row-major.
    pub truth: Vec<Vec<bool>>,
    /// Visible mask of the distractor on each frame.
    pub twin: Vec<Vec<bool>>,
    /// A point of the object on frame 0.
    pub click: Point,
}

/// A striped ellipse that moves in a straight line.
#[derive(Clone, Copy, Debug)]
struct Body {
    /// At the time of the encounter.
    centre: Point,
    velocity: Point,
    radii: Point,
    colours: [Colour; 2],
    /// Width of a stripe, pixels.
    stripe: f32,
}

impl Body {
    /// The colour at a pixel, `t` frames after the encounter; `None` outside.
    fn at(&self, t: f32, [x, y]: Point) -> Option<Colour> {
        let [dx, dy] = [x - self.centre[0] - self.velocity[0] * t, y - self.centre[1] - self.velocity[1] * t];
        let inside = (dx / self.radii[0]).powi(2) + (dy / self.radii[1]).powi(2) <= 1.0;
        inside.then(|| self.colours[((dx + dy) / self.stripe).rem_euclid(2.0) as usize])
    }
}

/// A seeded random number generator.
struct Dice(u64, u64);

impl Dice {
    fn roll(&mut self, from: f32, to: f32) -> f32 {
        self.1 += 1;
        let unit = (seeded::splitmix64(self.0, self.1) >> 40) as f32 / (1_u64 << 24) as f32;
        from + (to - from) * unit
    }

    fn colour(&mut self) -> Colour {
        std::array::from_fn(|_| self.roll(20.0, 235.0))
    }
}

fn apart(a: Colour, b: Colour) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
}

impl Scene {
    /// The scene of this number: the object crosses the image, the distractor comes the other way, and a
    /// pillar may stand in the middle, where they meet.
    ///
    /// # Panics
    /// Never: the frames have the right size.
    #[must_use]
    pub fn new(number: u64) -> Self {
        let mut dice = Dice(seeded::fnv1a64(b"scene") ^ number, 0);
        let sky = [dice.colour(), dice.colour()];
        let far = |dice: &mut Dice, from: &[Colour], least: f32| loop {
            let colour = dice.colour();
            if from.iter().all(|&other| apart(colour, other) > least) {
                break colour;
            }
        };
        let first = far(&mut dice, &sky, 110.0);
        let second = far(&mut dice, &[sky[0], sky[1], first], 60.0);
        let post = far(&mut dice, &[first, second], 110.0);

        let speed = dice.roll(4.0, 7.0);
        let slope = dice.roll(-1.5, 1.5);
        let radius = dice.roll(16.0, 30.0);
        let hero = Body {
            centre: [dice.roll(110.0, 146.0), dice.roll(100.0, 156.0)],
            velocity: [speed, slope],
            radii: [radius, radius * dice.roll(0.6, 1.3)],
            colours: [first, second],
            stripe: dice.roll(6.0, 16.0),
        };
        let twin = Body {
            centre: [hero.centre[0], hero.centre[1] + hero.radii[1] * dice.roll(-1.2, 1.2)],
            velocity: [speed * dice.roll(-1.2, 0.4), slope + dice.roll(-3.0, 3.0)],
            ..hero
        };
        let pillar = dice.roll(0.0, 1.0) < 0.6;
        let half = radius * dice.roll(0.9, 1.7);
        let twin_in_front = dice.roll(0.0, 1.0) < 0.6;
        let noise = seeded::smooth(&format!("scene.{number}"), SIDE, SIDE, 16, 0.0, 9.0);

        let (mut frames, mut truth, mut other) = (Vec::new(), Vec::new(), Vec::new());
        for frame in 0..FRAMES {
            let t = frame as f32 - FRAMES as f32 / 2.0;
            let (mut rgb, mut shown, mut twin_shown) = (Vec::new(), Vec::new(), Vec::new());
            for (i, &noise) in noise.iter().enumerate() {
                let p = [(i % SIDE) as f32, (i / SIDE) as f32];
                let height = p[1] / SIDE as f32;
                let mut colour: Colour =
                    std::array::from_fn(|c| sky[0][c] * (1.0 - height) + sky[1][c] * height + noise);
                let of_hero = hero.at(t, p);
                let of_twin = twin.at(t, p);
                let behind = pillar && (p[0] - hero.centre[0]).abs() < half;
                let hidden = behind || (twin_in_front && of_twin.is_some());
                if behind {
                    colour = post;
                } else if let Some(near) = if hidden { of_twin } else { of_hero.or(of_twin) } {
                    colour = near;
                }
                shown.push(of_hero.is_some() && !hidden);
                let before_twin = behind || (!twin_in_front && of_hero.is_some());
                twin_shown.push(of_twin.is_some() && !before_twin);
                rgb.extend(colour.map(|x| x.clamp(0.0, 255.0) as u8));
            }
            frames.push(Frame::new(SIDE, SIDE, rgb).expect("a whole frame"));
            truth.push(shown);
            other.push(twin_shown);
        }
        let t = -(FRAMES as f32) / 2.0;
        let click = std::array::from_fn(|i| hero.centre[i] + hero.velocity[i] * t);
        Self { frames, truth, twin: other, click }
    }
}
