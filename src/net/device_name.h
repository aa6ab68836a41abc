// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace flannel {

// The name of a network device in 16 bytes, for values of which there is one for each peer. Linux
// allows kMost characters (IFNAMSIZ - 1); further ones are dropped.
class DeviceName {
 public:
  static constexpr std::size_t kMost = 15;

  DeviceName() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): it is used in place of the text
  DeviceName(std::string_view name) { name.substr(0, kMost).copy(text_.data(), kMost); }
  // NOLINTNEXTLINE(google-explicit-constructor): as above
  DeviceName(const std::string& name) : DeviceName(std::string_view(name)) {}
  // NOLINTNEXTLINE(google-explicit-constructor): as above
  DeviceName(const char* name) : DeviceName(std::string_view(name)) {}

  std::string_view view() const { return text_.data(); }
  std::string str() const { return text_.data(); }
  bool operator==(const DeviceName&) const = default;

 private:
  std::array<char, kMost + 1> text_{};  // the rest is zeros
};

}  // namespace flannel
