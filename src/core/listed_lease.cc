// SPDX-License-Identifier: Apache-2.0
#include "core/listed_lease.h"

namespace flannel {

std::strong_ordering LeaseAge::operator<=>(const LeaseAge& other) const {
  if (created != other.created) return created <=> other.created;
  if (subnet == other.subnet) return std::strong_ordering::equal;
  return encode_subnet_key(subnet) <=> encode_subnet_key(other.subnet);
}

}  // namespace flannel
