// SPDX-License-Identifier: Apache-2.0
// Texts for tests that are the same for both families: written with IPv4 addresses, and translated.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <string>

#include "net/address.h"

namespace flannel {

// 10.5.1.2 becomes fd00:a:5:1::2, and 10.5.1.0/24 becomes fd00:a:5:1::/64: each of the first three
// bytes is a group, and the last one is the last group. 224.0.0.0/4 becomes ff00::/8, and an
// address in it an address there.
inline IpPrefix as_v6(const IpPrefix& v4) {
  const auto& from = v4.base.bytes;
  if (v4 == IpPrefix{IpAddress::v4(224, 0, 0, 0), 4}) return {IpAddress::v6({0xff}), 8};
  std::array<std::uint8_t, 16> to{0xfd, 0, 0, from[0], 0, from[1], 0, from[2]};
  if (v4.base.is_multicast()) to[0] = 0xff, to[1] = 0x0e;
  to[15] = from[3];
  const unsigned rest = v4.bits % 8U;
  unsigned bits = 16 + v4.bits / 8U * 16 + (rest > 0 ? 8 + rest : 0);
  if (v4.bits > 24) bits += 48;
  return {IpAddress::v6(to), static_cast<std::uint8_t>(bits)};
}

// `text` with addresses and networks of this family, in their names in nft too, and with the words
// of nft and iptables for the family: "ip saddr 10.5.0.0/16" becomes "ip6 saddr fd00:a:5::/48".
inline std::string in_family(Family family, const std::string& text) {
  if (family == Family::v4) return text;
  static const std::regex address(R"((\d+\.\d+\.\d+\.\d+)(([/-])(\d+))?)");
  static const std::regex word(R"(\bip(tables|( (saddr|daddr|flannel-|filter|nat|raw))))");
  std::string translated;
  auto rest = text.begin();
  for (std::sregex_iterator at(text.begin(), text.end(), address), end; at != end; ++at) {
    const std::smatch& found = *at;
    translated.append(rest, found[0].first);
    rest = found[0].second;
    const bool has_length = found[4].matched;
    const auto bits = static_cast<std::uint8_t>(has_length ? std::stoi(found[4]) : 32);
    const IpPrefix v6 = as_v6({IpAddress::parse_v4(found[1].str()).value(), bits});
    std::string name = has_length ? to_string(v6) : to_string(v6.base);
    if (found[3] == "-") {
      std::ranges::replace(name, ':', '_');
      std::ranges::replace(name, '/', '-');
    }
    translated += name;
  }
  translated.append(rest, text.end());
  return std::regex_replace(translated, word, "ip6$1");
}

// A suite of tests over both families. T: a fixture of gtest.
template <typename T>
class InFamily : public T, public ::testing::WithParamInterface<Family> {
 protected:
  Family family() const { return this->GetParam(); }
  std::string text(const std::string& v4) const { return in_family(family(), v4); }
  IpPrefix net(const std::string& v4) const { return IpPrefix::parse(text(v4)).value(); }
  IpAddress ip(const std::string& v4) const { return IpAddress::parse(text(v4)).value(); }
};

inline const auto kBothFamilies = ::testing::Values(Family::v4, Family::v6);
inline std::string family_name(const ::testing::TestParamInfo<Family>& family) {
  return std::string(to_string(family.param));
}

}  // namespace flannel
