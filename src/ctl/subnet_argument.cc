// SPDX-License-Identifier: Apache-2.0
#include "ctl/subnet_argument.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/parse.h"

namespace flannel {

Result<SubnetKey> read_subnets(const std::string& word) {
  if (const auto key = decode_subnet_key(word)) return *key;
  SubnetKey subnets;
  for (const std::string_view item : split(word, ',')) {
    const auto subnet = IpPrefix::parse(item);
    if (!subnet || subnets.at(subnet->family())) {
      return fail(ErrorKind::invalid,
                  fmt::format("{} is no subnet such as 10.5.52.0/24 or fd00:12::/64", word));
    }
    subnets.at(subnet->family()) = *subnet;
  }
  return subnets;
}

bool has_all(const SubnetKey& record, const SubnetKey& subnets) {
  return std::ranges::all_of(kFamilies, [&](Family family) {
    return !subnets.at(family) || record.at(family) == subnets.at(family);
  });
}

}  // namespace flannel
