"""The AC-GAN of Sec. 2.3, for tables and for images."""
