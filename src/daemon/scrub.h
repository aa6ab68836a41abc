// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace flannel {

// Overwrites the password of etcd where `ps` and /proc show it: in the arguments of this process
// and in its environment, from which the variable is also removed. After the command line was
// parsed, before any thread is started.
void scrub_password(int argc, char** argv);

// No core dumps of this process, and no other process of the same user may look into it: copies of
// a password are in the buffers of several libraries, where nobody can mark them one by one.
void keep_memory_to_ourselves();

}  // namespace flannel
