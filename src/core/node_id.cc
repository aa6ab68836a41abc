// SPDX-License-Identifier: Apache-2.0
#include "core/node_id.h"

#include <fmt/format.h>

#include <charconv>

#include "base/parse.h"
#include "base/printable.h"

namespace flannel {
namespace {

// The finalizer of splitmix64: each bit of the input flips each bit of the output with a
// probability of about one half.
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

}  // namespace

std::string to_string(const NodeId& id) {
  return fmt::format("{:02x}", fmt::join(id.bytes, ""));
}

Result<NodeId> decode_node_id(std::string_view text) {
  const std::string digits = to_lower(trim(text));
  NodeId id;
  if (digits.size() != 2 * id.bytes.size() ||
      digits.find_first_not_of("0123456789abcdef") != std::string::npos) {
    // The message omits the text: the file may be a link to a file with secrets.
    return fail(ErrorKind::invalid, "it is not a node id of 32 hexadecimal digits");
  }
  for (std::size_t i = 0; i < id.bytes.size(); ++i) {
    const char* pair = digits.data() + 2 * i;
    std::from_chars(pair, pair + 2, id.bytes[i], 16);
  }
  return id;
}

// FNV-1a, folded by the mixer: the same input gives the same number in every release.
std::uint32_t boot_number(std::string_view boot_id, std::uint64_t network_namespace) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : trim(boot_id)) {
    hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  }
  return static_cast<std::uint32_t>(mixed(hash ^ mixed(network_namespace)));
}

std::string to_string(const NodeTag& tag) {
  return fmt::format("{}/{:08x}", to_string(tag.id), tag.boot);
}

Result<NodeTag> decode_node_tag(std::string_view text) {
  const auto slash = text.find('/');
  const std::string_view digits = slash == text.npos ? "" : text.substr(slash + 1);
  NodeTag tag;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), tag.boot, 16);
  if (digits.size() != 8 || error != std::errc() || end != digits.data() + digits.size()) {
    return fail(ErrorKind::invalid,
                fmt::format("{} is not a node id and a boot", in_quotes(text.substr(0, 60))));
  }
  tag.id = TRY(decode_node_id(text.substr(0, slash)));
  return tag;
}

// Peers remember this address: the same input gives the same output in every release.
Mac vtep_mac(const NodeId& id, std::uint32_t vni) {
  std::uint64_t hash = vni;
  for (std::size_t word = 0; word < id.bytes.size(); word += 8) {
    std::uint64_t eight = 0;
    for (std::size_t i = 0; i < 8; ++i)
      eight = eight << 8 | id.bytes[word + i];
    hash = mixed(hash ^ eight);
  }
  Mac mac;
  for (std::size_t i = 0; i < mac.bytes.size(); ++i) {
    mac.bytes[i] = static_cast<std::uint8_t>(hash >> (56 - 8 * i));
  }
  mac.bytes[0] = static_cast<std::uint8_t>((mac.bytes[0] | 0x02) & 0xfe);
  return mac;
}

}  // namespace flannel
