// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace flannel {

// Overwrites the password of etcd and the token of Consul in the arguments and the environment of
// this process, where `ps` and /proc show them, and removes the variables. Must be called after the
// command line has been parsed and before any thread is started.
void scrub_password(int argc, char** argv);

// Disables core dumps of this process, and keeps other processes of the same user from reading its
// memory, since several libraries have copies of the password in their buffers.
void protect_memory();

}  // namespace flannel
