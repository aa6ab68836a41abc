// SPDX-License-Identifier: Apache-2.0
#include "charon/vici_message.h"

#include <fmt/format.h>

#include <algorithm>

namespace flannel {
namespace {

constexpr std::size_t kLengthField = 4;
constexpr std::size_t kLongestName = 0xFF;
constexpr std::size_t kLongestValue = 0xFFFF;
// charon nests four deep.
constexpr int kDeepest = 16;

enum Element : std::uint8_t {
  section_start = 1,
  section_end = 2,
  key_value = 3,
  list_start = 4,
  list_item = 5,
  list_end = 6
};

bool has_name(ViciPacket::Type type) {
  using Type = ViciPacket::Type;
  return type == Type::request || type == Type::register_event || type == Type::unregister_event ||
         type == Type::event;
}

void append_name(std::string& to, std::string_view name) {
  name = name.substr(0, kLongestName);
  to += static_cast<char>(name.size());
  to += name;
}

void append_value(std::string& to, std::string_view value) {
  value = value.substr(0, kLongestValue);
  to += static_cast<char>(value.size() >> 8);
  to += static_cast<char>(value.size() & 0xFF);
  to += value;
}

void append(std::string& to, const ViciSection& section) {
  for (const auto& [name, value] : section.values) {
    to += static_cast<char>(key_value);
    append_name(to, name);
    append_value(to, value);
  }
  for (const auto& [name, items] : section.lists) {
    to += static_cast<char>(list_start);
    append_name(to, name);
    for (const std::string& item : items) {
      to += static_cast<char>(list_item);
      append_value(to, item);
    }
    to += static_cast<char>(list_end);
  }
  for (const auto& [name, content] : section.sections) {
    to += static_cast<char>(section_start);
    append_name(to, name);
    append(to, content);
    to += static_cast<char>(section_end);
  }
}

Failure damaged(std::string_view what) {
  return fail(ErrorKind::invalid, fmt::format("a packet of charon is damaged: {}", what));
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool at_end() const { return rest_.empty(); }

  Result<std::uint8_t> number() {
    if (rest_.empty()) return damaged("it ends in an element");
    const auto byte = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }
  Result<std::string> name() { return text(TRY(number())); }
  Result<std::string> value() {
    const std::size_t high = TRY(number());
    return text(high << 8 | TRY(number()));
  }

  // Reads up to the end of the section; `depth` 0: of the packet.
  Result<ViciSection> section(int depth) {
    ViciSection section;
    while (depth > 0 || !at_end()) {
      const std::uint8_t element = TRY(number());
      if (element == section_end && depth > 0) return section;
      TRY(add(element, depth, section));
    }
    return section;
  }

 private:
  Result<std::string> text(std::size_t size) {
    if (size > rest_.size()) return damaged("it ends in a text");
    std::string text(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return text;
  }

  Result<void> add(std::uint8_t element, int depth, ViciSection& to) {
    if (element == key_value) {
      std::string name = TRY(this->name());
      to.values.emplace_back(std::move(name), TRY(value()));
      return {};
    }
    if (element == list_start) {
      std::string name = TRY(this->name());
      to.lists.emplace_back(std::move(name), TRY(items()));
      return {};
    }
    if (element != section_start) return damaged(fmt::format("element {} has no place", element));
    if (depth >= kDeepest) return damaged("its sections are too deep");
    std::string name = TRY(this->name());
    to.sections.emplace_back(std::move(name), TRY(section(depth + 1)));
    return {};
  }

  Result<std::vector<std::string>> items() {
    std::vector<std::string> items;
    for (;;) {
      const std::uint8_t element = TRY(number());
      if (element == list_end) return items;
      if (element != list_item) return damaged(fmt::format("element {} is in a list", element));
      items.push_back(TRY(value()));
    }
  }

  std::string_view rest_;
};

// The first member of this name; null: there is none.
template <typename Members>
auto* find(const Members& members, std::string_view name) {
  const auto found =
      std::ranges::find(members, name, [](const auto& one) -> const auto& { return one.first; });
  return found == members.end() ? nullptr : &found->second;
}

}  // namespace

std::optional<std::string_view> ViciSection::value(std::string_view name) const {
  const std::string* found = find(values, name);
  return found ? std::optional<std::string_view>(*found) : std::nullopt;
}

const std::vector<std::string>* ViciSection::list(std::string_view name) const {
  return find(lists, name);
}

const ViciSection* ViciSection::section(std::string_view name) const {
  return find(sections, name);
}

// clang 16 crashes on a default one, which would contain itself.
bool ViciSection::operator==(const ViciSection& other) const {
  return values == other.values && lists == other.lists && sections == other.sections;
}

std::string encode_vici(const ViciPacket& packet) {
  std::string bytes(kLengthField, '\0');
  bytes += static_cast<char>(packet.type);
  if (has_name(packet.type)) append_name(bytes, packet.name);
  append(bytes, packet.content);
  const std::size_t size = bytes.size() - kLengthField;
  for (std::size_t i = 0; i < kLengthField; ++i)
    bytes[i] = static_cast<char>(size >> (8 * (kLengthField - 1 - i)) & 0xFF);
  return bytes;
}

Result<ViciPacket> decode_vici(std::string_view bytes) {
  Reader reader(bytes);
  const std::uint8_t type = TRY(reader.number());
  if (type > static_cast<std::uint8_t>(ViciPacket::Type::event)) {
    return damaged(fmt::format("there is no type {}", type));
  }
  ViciPacket packet{.type = static_cast<ViciPacket::Type>(type)};
  if (has_name(packet.type)) packet.name = TRY(reader.name());
  packet.content = TRY(reader.section(0));
  return packet;
}

Result<std::optional<std::string>> take_vici(std::string& received) {
  if (received.size() < kLengthField) return std::nullopt;
  std::size_t size = 0;
  for (std::size_t i = 0; i < kLengthField; ++i)
    size = size << 8 | static_cast<std::uint8_t>(received[i]);
  if (size > kLongestViciPacket) return damaged(fmt::format("it has {} bytes", size));
  if (received.size() < kLengthField + size) return std::nullopt;
  std::string packet = received.substr(kLengthField, size);
  received.erase(0, kLengthField + size);
  return packet;
}

}  // namespace flannel
