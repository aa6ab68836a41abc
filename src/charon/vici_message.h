// SPDX-License-Identifier: Apache-2.0
// The packets of VICI, by which strongSwan's IKE daemon charon is configured. Their format is that
// of src/libcharon/plugins/vici/README.md in strongSwan 5.9.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace flannel {

// A packet is at most so long, without its length field.
inline constexpr std::size_t kLongestViciPacket = 512 << 10;

// Names have at most 255 bytes, values at most 65535. A value may be a secret.
struct ViciSection {
  std::vector<std::pair<std::string, std::string>> values{};
  std::vector<std::pair<std::string, std::vector<std::string>>> lists{};
  std::vector<std::pair<std::string, ViciSection>> sections{};

  // The value of this name; nullopt: there is none.
  std::optional<std::string_view> value(std::string_view name) const;
  // The items of the list of this name; null: there is none.
  const std::vector<std::string>* list(std::string_view name) const;
  // The section of this name; null: there is none.
  const ViciSection* section(std::string_view name) const;
  bool operator==(const ViciSection& other) const;
};

struct ViciPacket {
  enum class Type : std::uint8_t {
    request = 0,
    response = 1,
    unknown_request = 2,
    register_event = 3,
    unregister_event = 4,
    confirmed_event = 5,
    unknown_event = 6,
    event = 7
  };
  Type type = Type::request;
  std::string name{};  // of a request or an event; the other types have none
  ViciSection content{};
  bool operator==(const ViciPacket&) const = default;
};

// The bytes of a packet with its length field. A name or a value that is too long is cut.
std::string encode_vici(const ViciPacket& packet);

// The packet of these bytes, which have no length field.
Result<ViciPacket> decode_vici(std::string_view bytes);

// Takes a whole packet from the front of what was received, without its length field; nullopt: more
// bytes must come. Fails if the packet is too long.
Result<std::optional<std::string>> take_vici(std::string& received);

}  // namespace flannel
