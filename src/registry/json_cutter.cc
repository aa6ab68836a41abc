// SPDX-License-Identifier: Apache-2.0
#include "registry/json_cutter.h"

#include <algorithm>

namespace flannel {

void JsonCutter::add(std::string_view bytes, std::string& into) {
  while (!bytes.empty()) {
    if (place_ == Place::in_text && cutting_) {
      const auto next = std::min(bytes.find('"'), bytes.find('\\'));
      bytes.remove_prefix(std::min(next, bytes.size()));
      if (bytes.empty()) return;
    }
    const char c = bytes.front();
    bytes.remove_prefix(1);
    bool keep = true;
    if (place_ == Place::outside) {
      add_outside(c);
    } else {
      keep = add_in_text(c);
    }
    if (keep) into += c;
  }
}

void JsonCutter::add_outside(char c) {
  if (c != '"') return;
  place_ = Place::in_text;
  length_ = 0;
  cutting_ = false;
}

// Returns true if the byte is kept.
bool JsonCutter::add_in_text(char c) {
  ++length_;
  if (place_ == Place::behind_backslash) {
    place_ = c == 'u' ? Place::in_code : Place::in_text;
    code_left_ = 4;
    return !cutting_;
  }
  if (place_ == Place::in_code) {
    if (--code_left_ == 0) place_ = Place::in_text;
    return !cutting_;
  }
  if (c == '"') {
    place_ = Place::outside;
    return true;
  }
  const bool begins_character = (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  if (begins_character && length_ > longest_text_) cutting_ = true;
  if (c == '\\') place_ = Place::behind_backslash;
  return !cutting_;
}

}  // namespace flannel
