//! Stored outputs and memory policies of a predictor, for tests.

use super::VideoPredictor;
use crate::memory::bank::{Direction, RecallContext, SpatialMemory, StoredOutput};

impl VideoPredictor {
    /// The stored output of an object on a frame.
    pub(crate) fn stored(&self, obj_id: u32, frame_idx: usize) -> Option<&StoredOutput> {
        let bank = self.objects.iter().find(|object| object.id == obj_id)?.bank();
        bank.cond(frame_idx).or_else(|| bank.non_cond.get(&frame_idx))
    }

    /// The state of an object's memory policy, and the tracked frames to whose memories `frame_idx` attends
    /// in a forward pass, in their order.
    pub(crate) fn policy(&self, obj_id: u32, frame_idx: usize) -> Option<(serde_json::Value, Vec<usize>)> {
        let object = self.objects.iter().find(|object| object.id == obj_id)?;
        let setting = &self.setting;
        let slots = self.setting.model.config.num_maskmem - 1;
        let context =
            RecallContext::new(object.bank(), setting.time(frame_idx, Direction::Forward), slots, 1);
        let frame = |spatial: &SpatialMemory| {
            let found =
                object.bank().non_cond.iter().find(|(_, output)| std::ptr::eq(*output, spatial.output));
            found.map(|(frame, _)| *frame)
        };
        Some((object.policy.save(), object.policy.recent(&context).iter().filter_map(frame).collect()))
    }
}
