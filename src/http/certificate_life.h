// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string_view>

#include "base/result.h"

namespace flannel {

struct CertificateLives {
  std::chrono::seconds shortest, longest;
};

// Returns how long the certificates in this PEM text are valid from now on: negative if it has
// ended. ErrorKind::invalid: there is no certificate in the text.
Result<CertificateLives> certificate_lives(std::string_view pem);

}  // namespace flannel
