// SPDX-License-Identifier: Apache-2.0
// Takes secrets out of texts that are given to others.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace flannel {

inline constexpr std::string_view kHidden = "(hidden)";

// Returns true if what has this name is a secret by custom, such as "Password", "CONSUL_HTTP_TOKEN"
// or "PSK". The name of a file with a secret ("etcd-password-file") is none.
bool names_secret(std::string_view name);

// Returns `text` without what looks like a secret wherever it stands: the user and password of a
// URL, PEM blocks (also where their newlines are written \n), values after a name as above
// ("password=...", "\"PSK\": \"...\""), and each of `secrets` literally; those of fewer than four
// bytes are ignored. In JSON only texts are hidden by their names; what else has such a name is the
// caller's to hide before.
std::string without_secrets(std::string_view text, std::span<const std::string> secrets = {});

}  // namespace flannel
