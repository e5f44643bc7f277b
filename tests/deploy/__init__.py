"""What is under deploy/, each file run as it stands by the program that it is for."""
