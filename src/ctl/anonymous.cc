// SPDX-License-Identifier: Apache-2.0
#include "ctl/anonymous.h"

#include <algorithm>
#include <cctype>
#include <cstddef>

namespace flannel {
namespace {

bool is_of_address(char c) {
  return std::isxdigit(static_cast<unsigned char>(c)) != 0 || c == ':' || c == '.';
}

bool is_letter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

// Numbers what is new from 1.
template <typename Key>
std::uint32_t number_of(const Key& key, std::map<Key, std::uint32_t>& numbers) {
  return numbers.emplace(key, static_cast<std::uint32_t>(numbers.size() + 1)).first->second;
}

std::string_view without_ends(std::string_view word, std::string_view front,
                              std::string_view back) {
  const std::size_t begin = std::min(word.find_first_not_of(front), word.size());
  word.remove_prefix(begin);
  const std::size_t last = word.find_last_not_of(back);
  return word.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

}  // namespace

// What has a letter before or behind it belongs to a word as far as the next colon or dot.
std::string Anonymous::text(std::string_view original) {
  std::string made;
  std::size_t at = 0;
  while (at < original.size()) {
    std::size_t end = at;
    while (end < original.size() && is_of_address(original[end]))
      ++end;
    if (end == at) {
      made += original[at++];
      continue;
    }
    const std::string_view word = original.substr(at, end - at);
    const bool joined_before = at > 0 && is_letter(original[at - 1]);
    const bool joined_behind = end < original.size() && is_letter(original[end]);
    const std::size_t begin = joined_before ? std::min(word.find_first_of(":."), word.size()) : 0;
    const std::size_t stop = joined_behind ? word.find_last_of(":.") : word.size();
    if (stop == std::string_view::npos || begin >= stop) {
      made += word;
    } else {
      made.append(word.substr(0, begin)).append(run(word.substr(begin, stop - begin)));
      made += word.substr(stop);
    }
    at = end;
  }
  return made;
}

// `original` may have more than the address: the end of a sentence, a colon before it, a port
// behind it.
std::string Anonymous::run(std::string_view original) {
  const std::string_view no_end = without_ends(original, "", ".:");
  const std::string_view bare = without_ends(original, ".:", ".:");
  const std::string_view no_port = bare.substr(0, std::min(bare.rfind(':'), bare.size()));
  for (const std::string_view word : {original, no_end, bare, no_port}) {
    std::string made;
    if (!replace(word, made)) continue;
    std::string whole(original);
    return whole.replace(static_cast<std::size_t>(word.data() - original.data()), word.size(),
                         made);
  }
  return std::string(original);
}

// False: the word is no address.
bool Anonymous::replace(std::string_view word, std::string& made) {
  if (const auto ip = IpAddress::parse(word)) {
    made = stays(*ip) ? std::string(word) : to_string(ip->is_v4() ? v4(*ip) : v6(*ip));
    return true;
  }
  const auto mac = Mac::parse(word);
  if (!mac) return false;
  const std::uint32_t number = number_of(*mac, macs_);
  Mac numbered{{0x02, 0, 0, 0, 0, 0}};
  for (std::size_t i = 0; i < 4; ++i)
    numbered.bytes[5 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  made = mac->is_zero() ? std::string(word) : to_string(numbered);
  return true;
}

bool Anonymous::stays(const IpAddress& ip) const {
  return ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() ||
         ip == IpAddress::v4(255, 255, 255, 255) ||
         std::ranges::any_of(keep_, [&ip](const IpPrefix& net) { return net.contains(ip); });
}

// There are 512 networks; more of them share some.
IpAddress Anonymous::v4(const IpAddress& ip) {
  const std::uint32_t network = number_of(IpPrefix::of(ip, 24).base, networks_) % 512;
  return IpAddress::v4((198U << 24 | 18U << 16) + (network << 8) + ip.bytes[3]);
}

IpAddress Anonymous::v6(const IpAddress& ip) {
  const IpPrefix net = IpPrefix::of(ip, 64);
  const std::uint32_t host = ip == net.base ? 0 : number_of(ip, hosts_);
  IpAddress made = net.base;
  if (!ip.is_link_local()) {
    const std::uint32_t network = number_of(net.base, networks_);
    made = IpAddress::v6({0x20, 0x01, 0x0d, 0xb8, 0, 0, static_cast<std::uint8_t>(network >> 8),
                          static_cast<std::uint8_t>(network)});
  }
  return made.plus(host);
}

}  // namespace flannel
