// SPDX-License-Identifier: Apache-2.0
// What flanneld and flannelctl agree on about the control socket: docs/control-api.md.
#pragma once

#include <string_view>

namespace flannel {

inline constexpr std::string_view kDefaultControlSocket = "/run/flannel/flanneld.sock";
// Its members may connect to the socket.
inline constexpr const char* kControlGroup = "flannel";
// The version of the interface, a member of every answer. It grows when a member changes its
// meaning or goes; members and calls may be added within a version.
inline constexpr int kControlVersion = 1;
// The largest verbosity of the log that a call may set.
inline constexpr int kMostVerbosity = 10;

}  // namespace flannel
