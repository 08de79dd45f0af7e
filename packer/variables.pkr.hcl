variable "version" {
  type        = string
  description = "The release that goes into the image; its tarballs are in `dist`."
}

variable "dist" {
  type        = string
  default     = ""
  description = "Folder with the tarballs (`cargo xtask dist --out target/dist`); empty: target/dist of this checkout."
}

variable "config" {
  type        = string
  default     = ""
  description = "The raincell.toml of the image; empty: the one of the single-box inventory."
}

variable "admins" {
  type        = string
  default     = "[]"
  description = "Who may log in to machines made from the image, as JSON: [{\"name\": \"ada\", \"keys\": [\"ssh-ed25519 …\"]}]"
}

variable "output" {
  type        = string
  default     = "target/image"
  description = "qemu: the folder for the image. It must not be there yet."
}

variable "base_image" {
  type        = string
  default     = "https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-genericcloud-amd64.qcow2"
  description = "qemu: the image to begin with, a Debian 12 as qcow2; a file or an address."
}

variable "base_image_checksum" {
  type        = string
  default     = "file:https://cloud.debian.org/images/cloud/bookworm/latest/SHA512SUMS"
  description = "qemu: its checksum, or `none`."
}

variable "seed" {
  type        = string
  default     = ""
  description = "qemu: a folder with cloud-init's user-data and meta-data, which let `ssh_user` in; empty where the image lets it in already."
}

variable "accelerator" {
  type        = string
  default     = "kvm"
  description = "qemu: kvm, hvf, or none where there is neither."
}

variable "cpu" {
  type        = string
  default     = "max"
  description = "qemu: the model of the processor."
}

variable "memory_mb" {
  type        = number
  default     = 2048
  description = "qemu: memory while the image is made."
}

variable "cpus" {
  type        = number
  default     = 2
  description = "qemu: processors while the image is made."
}

variable "disk_size" {
  type        = string
  default     = "10G"
  description = "qemu: size of the disk."
}

variable "ssh_user" {
  type        = string
  default     = "debian"
  description = "qemu: who logs in; may use sudo without a password."
}

variable "ssh_private_key_file" {
  type        = string
  default     = ""
  description = "qemu: key that the base image, or its seed, lets in."
}

variable "region" {
  type        = string
  default     = "eu-central-1"
  description = "amazon-ebs: where the image is made."
}

variable "instance_type" {
  type        = string
  default     = "t3.small"
  description = "amazon-ebs: the machine it is made on."
}
