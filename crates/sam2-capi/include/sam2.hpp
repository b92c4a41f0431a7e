// Segment Anything 2 on the CPU for C++17: sam2.h with objects that free themselves and exceptions.
//
// Every object belongs to one thread at a time, except model and masks. A moved-from object may only be
// destroyed or assigned to.

#ifndef SAM2_HPP
#define SAM2_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "sam2.h"

namespace sam2 {

// A call failed: its status and its line.
class error : public std::runtime_error {
public:
    error(sam2_status status, const std::string &what) : std::runtime_error(what), status_(status) {}
    sam2_status status() const noexcept { return status_; }

private:
    sam2_status status_;
};

// Throws the error of this thread's last call.
inline void check(sam2_status status)
{
    if (status != SAM2_OK)
        throw error(status, sam2_last_error());
}

namespace detail {

template <class T, void (*Free)(T *)> struct deleter {
    void operator()(T *handle) const noexcept { Free(handle); }
};

template <class T, void (*Free)(T *)> using owner = std::unique_ptr<T, deleter<T, Free>>;

} // namespace detail

inline std::string version() { return sam2_version(); }
inline void set_threads(int n) { check(sam2_set_threads(n)); }

// Pixels that stay the caller's; stride 0: rows without a gap.
inline sam2_image image(const std::uint8_t *data, std::int32_t width, std::int32_t height,
                        std::int32_t format = SAM2_RGB8, std::size_t stride = 0)
{
    sam2_image out = SAM2_IMAGE_INIT;
    out.data = data;
    out.width = width;
    out.height = height;
    out.format = format;
    out.stride = stride;
    return out;
}

// Clicks, a box and a mask on one object.
class prompt {
public:
    prompt() = default;

    prompt &point(float x, float y, std::int32_t label = 1)
    {
        points_.push_back(sam2_point{x, y, label});
        return *this;
    }
    prompt &box(float x0, float y0, float x1, float y1)
    {
        box_ = {x0, y0, x1, y1};
        return *this;
    }
    // Logits of an earlier mask; for images only.
    prompt &mask_logits(std::vector<float> logits)
    {
        logits_ = std::move(logits);
        return *this;
    }

    // Points into this object, which must outlive it and not change meanwhile.
    sam2_prompt view() const
    {
        sam2_prompt out = SAM2_PROMPT_INIT;
        out.points = points_.empty() ? nullptr : points_.data();
        out.num_points = points_.size();
        out.box = box_ ? box_->data() : nullptr;
        out.mask_logits = logits_.empty() ? nullptr : logits_.data();
        return out;
    }
    // Number of mask logits.
    std::size_t logits() const noexcept { return logits_.size(); }

private:
    std::vector<sam2_point> points_;
    std::optional<std::array<float, 4>> box_;
    std::vector<float> logits_;
};

inline prompt click(float x, float y) { return prompt().point(x, y); }

// Masks of a call. What get() and low_res() point to lives as long as this object, so there is none of a
// temporary one.
class masks {
public:
    masks() = default;
    explicit masks(sam2_masks *handle) noexcept : handle_(handle) {}

    std::size_t prompts() const noexcept { return sam2_masks_prompts(handle_.get()); }
    std::size_t count(std::size_t prompt = 0) const noexcept
    {
        return sam2_masks_count(handle_.get(), prompt);
    }
    std::size_t best(std::size_t prompt = 0) const noexcept { return sam2_masks_best(handle_.get(), prompt); }
    std::int64_t frame_idx() const noexcept { return sam2_masks_frame_idx(handle_.get()); }

    sam2_mask get(std::size_t prompt, std::size_t k) const &
    {
        sam2_mask out = SAM2_MASK_INIT;
        check(sam2_masks_get(handle_.get(), prompt, k, &out));
        return out;
    }
    // The best mask of a prompt.
    sam2_mask get(std::size_t prompt = 0) const & { return get(prompt, best(prompt)); }
    sam2_mask get(std::size_t prompt, std::size_t k) && = delete;
    sam2_mask get(std::size_t prompt = 0) && = delete;

    const float *low_res(std::size_t prompt, std::size_t k) && = delete;
    const float *low_res(std::size_t prompt, std::size_t k) const &
    {
        const float *logits = nullptr;
        check(sam2_masks_low_res(handle_.get(), prompt, k, &logits));
        return logits;
    }
    // The compressed run lengths of COCO.
    std::string rle(std::size_t prompt, std::size_t k) const
    {
        std::size_t bytes = 0;
        check(sam2_masks_rle(handle_.get(), prompt, k, nullptr, &bytes));
        std::vector<char> text(bytes);
        check(sam2_masks_rle(handle_.get(), prompt, k, text.data(), &bytes));
        return std::string(text.data(), bytes - 1);
    }

private:
    detail::owner<sam2_masks, sam2_masks_free> handle_;
};

// A loaded model. A copy shares it.
class model {
public:
    static model open(const std::string &path, const sam2_model_options *options = nullptr)
    {
        sam2_model *out = nullptr;
        check(sam2_model_open(path.c_str(), options, &out));
        return model(out);
    }
    static model from_memory(const void *bytes, std::size_t len, const sam2_model_options *options = nullptr)
    {
        sam2_model *out = nullptr;
        check(sam2_model_from_memory(bytes, len, options, &out));
        return model(out);
    }
    // The small model inside of the library; its masks of photos are rough.
    static model embedded(const sam2_model_options *options = nullptr)
    {
        sam2_model *out = nullptr;
        check(sam2_model_embedded(options, &out));
        return model(out);
    }

    model(const model &other) noexcept : handle_(sam2_model_retain(other.handle_.get())) {}
    model(model &&) noexcept = default;
    model &operator=(model other) noexcept
    {
        handle_.swap(other.handle_);
        return *this;
    }

    int image_size() const noexcept { return sam2_model_image_size(handle_.get()); }
    int low_res_size() const noexcept { return sam2_model_low_res_size(handle_.get()); }
    std::string name() const { return sam2_model_name(handle_.get()); }
    sam2_model *get() const noexcept { return handle_.get(); }

private:
    explicit model(sam2_model *handle) noexcept : handle_(handle) {}
    detail::owner<sam2_model, sam2_model_free> handle_;
};

// Masks in single images.
class image_predictor {
public:
    explicit image_predictor(const model &model) : logits_(square(model.low_res_size()))
    {
        sam2_image_predictor *out = nullptr;
        check(sam2_image_predictor_new(model.get(), &out));
        handle_.reset(out);
    }

    void set(const sam2_image &image) { check(sam2_image_set(handle_.get(), &image)); }

    masks predict(const prompt &one, bool multimask = true) { return predict_all({&one}, multimask); }
    masks predict(const std::vector<prompt> &prompts, bool multimask)
    {
        std::vector<const prompt *> all;
        for (const prompt &one : prompts)
            all.push_back(&one);
        return predict_all(all, multimask);
    }

private:
    static std::size_t square(int side)
    {
        return static_cast<std::size_t>(side) * static_cast<std::size_t>(side);
    }

    masks predict_all(const std::vector<const prompt *> &prompts, bool multimask)
    {
        std::vector<sam2_prompt> views;
        for (const prompt *one : prompts) {
            if (one->logits() != 0 && one->logits() != logits_)
                throw error(SAM2_BAD_PROMPT, "mask_logits: " + std::to_string(one->logits()) + " values, " +
                                                 std::to_string(logits_) + " are needed");
            views.push_back(one->view());
        }
        sam2_masks *out = nullptr;
        check(sam2_image_predict(handle_.get(), views.data(), views.size(), multimask ? 1 : 0, &out));
        return masks(out);
    }

    std::size_t logits_;
    detail::owner<sam2_image_predictor, sam2_image_predictor_free> handle_;
};

// Masks through a stream, whose frames come once.
class tracker {
public:
    tracker(const model &model, std::int32_t width, std::int32_t height,
            const sam2_video_options *options = nullptr)
    {
        sam2_tracker *out = nullptr;
        check(sam2_tracker_new(model.get(), width, height, options, &out));
        handle_.reset(out);
    }
    static tracker resume(const model &model, const std::string &path)
    {
        sam2_tracker *out = nullptr;
        check(sam2_tracker_resume(model.get(), path.c_str(), &out));
        return tracker(out);
    }

    masks push(const sam2_image &image)
    {
        sam2_masks *out = nullptr;
        check(sam2_tracker_push(handle_.get(), &image, &out));
        return masks(out);
    }
    masks add(std::int64_t obj_id, const prompt &prompt, bool append = false)
    {
        sam2_masks *out = nullptr;
        const sam2_prompt view = prompt.view();
        check(sam2_tracker_prompt(handle_.get(), obj_id, &view, append ? 1 : 0, &out));
        return masks(out);
    }
    masks add_mask(std::int64_t obj_id, const std::uint8_t *mask, std::int32_t width, std::int32_t height)
    {
        sam2_masks *out = nullptr;
        check(sam2_tracker_mask(handle_.get(), obj_id, mask, width, height, &out));
        return masks(out);
    }
    void remove(std::int64_t obj_id) { check(sam2_tracker_remove(handle_.get(), obj_id)); }
    void reset() { check(sam2_tracker_reset(handle_.get())); }
    void save(const std::string &path) { check(sam2_tracker_save(handle_.get(), path.c_str())); }
    std::int64_t frames()
    {
        std::int64_t out = 0;
        check(sam2_tracker_frames(handle_.get(), &out));
        return out;
    }

private:
    explicit tracker(sam2_tracker *handle) noexcept : handle_(handle) {}
    detail::owner<sam2_tracker, sam2_tracker_free> handle_;
};

// Masks through a clip of known length.
class video {
public:
    video(const model &model, std::int32_t width, std::int32_t height, std::int64_t num_frames,
          const sam2_video_options *options = nullptr)
    {
        sam2_video *out = nullptr;
        check(sam2_video_new(model.get(), width, height, num_frames, options, &out));
        handle_.reset(out);
    }

    masks add(std::int64_t frame_idx, const sam2_image &image, std::int64_t obj_id, const prompt &prompt,
              bool append = false)
    {
        sam2_masks *out = nullptr;
        const sam2_prompt view = prompt.view();
        check(sam2_video_prompt(handle_.get(), frame_idx, &image, obj_id, &view, append ? 1 : 0, &out));
        return masks(out);
    }
    masks add_mask(std::int64_t frame_idx, const sam2_image &image, std::int64_t obj_id,
                   const std::uint8_t *mask, std::int32_t width, std::int32_t height)
    {
        sam2_masks *out = nullptr;
        check(sam2_video_mask(handle_.get(), frame_idx, &image, obj_id, mask, width, height, &out));
        return masks(out);
    }
    void begin(std::int64_t start = -1, std::int64_t max_frames = -1, std::int32_t direction = SAM2_FORWARD)
    {
        check(sam2_video_begin(handle_.get(), start, max_frames, direction));
    }
    // The frame that the pass needs next; none at its end.
    std::optional<std::int64_t> next()
    {
        std::int64_t out = -1;
        check(sam2_video_next(handle_.get(), &out));
        return out < 0 ? std::nullopt : std::optional<std::int64_t>(out);
    }
    masks track(std::int64_t frame_idx, const sam2_image &image)
    {
        sam2_masks *out = nullptr;
        check(sam2_video_track(handle_.get(), frame_idx, &image, &out));
        return masks(out);
    }
    void clear(std::int64_t frame_idx, std::int64_t obj_id)
    {
        check(sam2_video_clear(handle_.get(), frame_idx, obj_id));
    }
    void remove(std::int64_t obj_id) { check(sam2_video_remove(handle_.get(), obj_id)); }
    void reset() { check(sam2_video_reset(handle_.get())); }

private:
    detail::owner<sam2_video, sam2_video_free> handle_;
};

} // namespace sam2

#endif
