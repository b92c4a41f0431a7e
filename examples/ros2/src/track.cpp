// Tracks the object of the last click through a topic of images. Not built in CI: README.md.
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <geometry_msgs/msg/point_stamped.hpp>
#include <rclcpp/rclcpp.hpp>
#include <sam2.hpp>
#include <sensor_msgs/image_encodings.hpp>
#include <sensor_msgs/msg/image.hpp>

using geometry_msgs::msg::PointStamped;
using sensor_msgs::msg::Image;
namespace encodings = sensor_msgs::image_encodings;

class TrackNode : public rclcpp::Node {
public:
    TrackNode() : Node("sam2_track"), model_(load())
    {
        RCLCPP_INFO(get_logger(), "%s, sam2 %s", model_.name().c_str(), sam2::version().c_str());
        sam2::set_threads(static_cast<int>(declare_parameter<int>("threads", 0)));
        masks_ = create_publisher<Image>("mask", 1);
        images_ = create_subscription<Image>("image", rclcpp::SensorDataQoS().keep_last(1),
                                             [this](Image::ConstSharedPtr image) { on_image(*image); });
        clicks_ = create_subscription<PointStamped>(
            "click", 1, [this](PointStamped::ConstSharedPtr click) { click_ = *click; });
    }

private:
    sam2::model load()
    {
        const std::string path = declare_parameter<std::string>("checkpoint", "");
        sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
        options.precision = declare_parameter<bool>("int8", false) ? SAM2_INT8 : SAM2_F32;
        return path.empty() ? sam2::model::embedded(&options) : sam2::model::open(path, &options);
    }

    void on_image(const Image &image)
    {
        static const std::map<std::string, std::int32_t> formats = {
            {encodings::RGB8, SAM2_RGB8},   {encodings::BGR8, SAM2_BGR8},   {encodings::RGBA8, SAM2_RGBA8},
            {encodings::BGRA8, SAM2_BGRA8}, {encodings::MONO8, SAM2_GRAY8},
        };
        const auto format = formats.find(image.encoding);
        const bool is_whole = image.data.size() >= static_cast<std::size_t>(image.step) * image.height;
        if (format == formats.end() || !is_whole) {
            RCLCPP_ERROR_THROTTLE(get_logger(), *get_clock(), 5000, "image of %s, %ux%u, %zu bytes: refused",
                                  image.encoding.c_str(), image.width, image.height, image.data.size());
            return;
        }
        const auto width = static_cast<std::int32_t>(image.width);
        const auto height = static_cast<std::int32_t>(image.height);
        try {
            if (!tracker_ || width != width_ || height != height_) {
                tracker_.emplace(model_, width, height);
                width_ = width;
                height_ = height;
            }
            sam2::masks masks =
                tracker_->push(sam2::image(image.data.data(), width, height, format->second, image.step));
            if (click_) {
                tracker_->reset();
                const auto x = static_cast<float>(click_->point.x), y = static_cast<float>(click_->point.y);
                click_.reset();
                masks = tracker_->add(1, sam2::click(x, y));
            }
            if (masks.prompts() > 0)
                publish(image, masks.get());
        } catch (const sam2::error &error) {
            RCLCPP_ERROR_THROTTLE(get_logger(), *get_clock(), 5000, "%s", error.what());
        }
    }

    void publish(const Image &image, const sam2_mask &mask)
    {
        auto out = std::make_unique<Image>();
        out->header = image.header;
        out->width = static_cast<std::uint32_t>(mask.width);
        out->height = static_cast<std::uint32_t>(mask.height);
        out->encoding = encodings::MONO8;
        out->step = out->width;
        out->data.assign(mask.data, mask.data + static_cast<std::size_t>(mask.width) * mask.height);
        masks_->publish(std::move(out));
    }

    sam2::model model_;
    std::optional<sam2::tracker> tracker_;
    std::int32_t width_ = 0, height_ = 0;
    std::optional<PointStamped> click_;
    rclcpp::Publisher<Image>::SharedPtr masks_;
    rclcpp::Subscription<Image>::SharedPtr images_;
    rclcpp::Subscription<PointStamped>::SharedPtr clicks_;
};

int main(int argc, char **argv)
{
    rclcpp::init(argc, argv);
    try {
        rclcpp::spin(std::make_shared<TrackNode>());
    } catch (const sam2::error &error) {
        RCLCPP_FATAL(rclcpp::get_logger("sam2_track"), "%s", error.what());
        return 1;
    }
    rclcpp::shutdown();
    return 0;
}
