// SPDX-License-Identifier: Apache-2.0
#include "ctl/lease_life.h"

#include <fmt/format.h>

namespace flannel {

using std::chrono::seconds;

std::optional<LeaseLife> life_of(const Record& record, const RemainingLives& lives) {
  const auto left = lives.left.find(record.key);
  if (!lives.exact || !record.expires() || left == lives.left.end()) return std::nullopt;
  LeaseLife life{.left = left->second};
  const auto granted = lives.granted.find(record.key);
  if (granted != lives.granted.end()) life.granted = granted->second;
  return life;
}

std::string duration_text(seconds time) {
  constexpr seconds kMinute{60};
  constexpr seconds kHour{3600};
  constexpr seconds kDay{86400};
  if (time < 2 * kMinute) return fmt::format("{} s", time.count());
  if (time < 2 * kHour) return fmt::format("{} min", time / kMinute);
  if (time < 3 * kDay) return fmt::format("{} h", time / kHour);
  return fmt::format("{} days", time / kDay);
}

std::string expiry_text(const Record& record, const RemainingLives& lives) {
  if (!record.expires()) return "reservation";
  const auto life = life_of(record, lives);
  return life ? "in " + duration_text(life->left) : "unknown";
}

std::string sign_of_life(const Record& record, const RemainingLives& lives) {
  if (!record.expires()) return "it is a reservation, which no host renews";
  const auto life = life_of(record, lives);
  if (!life || !life->granted) return "the store does not say when it was renewed";
  if (life->left * 2 <= *life->granted) return {};
  return fmt::format("it was renewed {} ago, and a lease counts as abandoned after half of its {}",
                     duration_text(*life->granted - life->left), duration_text(*life->granted));
}

}  // namespace flannel
